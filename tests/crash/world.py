"""A platform to be hurt: what is handed in there, and whether everybody got what they were promised."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from uuid import uuid4

import httpx
import psutil

from deploy.local.services import ROOT, Processes
from deploy.local.stack import Stack
from palio.client import Client
from palio.client.errors import ApiError, ServerUnreachableError
from shared.faults import FOLDER_VARIABLE
from shared.settings import ALL_SETTINGS
from tests.conftest import temporary_stack
from tests.support.people import Person, publish
from tests.support.waiting import wait_until

KIT = Path(__file__).parent / "kit"
CHECKER = Path(__file__).parent / "checker.py"
CHALLENGE = "known"
#: What a machine with two cores and everything restarting on it may need.
PATIENCE_S = 180.0
AWAY = (ApiError, ServerUnreachableError, httpx.HTTPError)
FIRST_SERVER_ERROR = 500
#: Times that are hours or minutes where nobody watches.
IMPATIENT: Mapping[str, Mapping[str, str]] = {
    "orchestrator": {"PALIO_LOST_AFTER_S": "3", "PALIO_UNSCORED_AFTER_S": "20"},
    "trainer": {"PALIO_HEARTBEAT_S": "0.5", "PALIO_AMQP_HEARTBEAT_S": "2"},
    "mailer": {"PALIO_MAIL_TIMEOUT_S": "2"},
}


@dataclass(frozen=True)
class Acknowledged:
    """A submission that a 201 answered, and what must become of it."""

    id: str
    name: str
    email: str
    state: str
    score: float | None


@dataclass
class World:
    """A whole platform with one challenge, and people who take part."""

    stack: Stack
    people: list[Person]
    points: Path
    acknowledged: list[Acknowledged] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def submit(self, *, fails: bool = False, sleep_s: float = 0, score: float | None = None) -> Acknowledged:
        """Hand in one, as a patient client does: the same request again until it is answered. Safe among threads."""
        number = next(self._numbers)
        person = self.people[number % len(self.people)]
        score = (number + 1) / 1024 if score is None else score
        source = f"import time\n\ndef train():\n    time.sleep({sleep_s})\n    return {'1 / 0' if fails else score}\n"
        name, key = f"number {number}", str(uuid4())
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                found = person.client.submit(CHALLENGE, name, {"number.py": source.encode()}, key)
                break
            except AWAY as error:
                if time.monotonic() > deadline or (isinstance(error, ApiError) and error.status < FIRST_SERVER_ERROR):
                    raise
                time.sleep(0.2)
        state, expected = ("failed", None) if fails else ("scored", score)
        acknowledged = Acknowledged(found["id"], name, person.email, state, expected)
        self.acknowledged.append(acknowledged)
        return acknowledged

    def state(self, submission: Acknowledged) -> str:
        """Its state as its team sees it; `unknown` while nobody answers."""
        try:
            return str(self.people[0].client.submission(submission.id)["state"])
        except AWAY:
            return "unknown"

    def wait_for_states(self, *states: str, of: Acknowledged | None = None) -> None:
        """Wait until a submission, or each that was handed in, is in one of these states."""
        for each in self.acknowledged if of is None else [of]:
            wait_until(lambda: self.state(each) in states, f"{each.name} to be {' or '.join(states)}", PATIENCE_S)  # noqa: B023

    def arm(self, *points: str) -> None:
        """Whoever passes one of these points first dies there."""
        for point in points:
            (self.points / point).touch()

    def wait_until_fired(self) -> None:
        """Wait until somebody has died at each point that was armed. Raises `TimeoutError` naming those that nobody passed."""
        try:
            wait_until(lambda: not any(self.points.iterdir()), "deaths", 30)
        except TimeoutError:
            left = sorted(path.name for path in self.points.iterdir())
            raise TimeoutError(f"nobody passed {', '.join(left)}") from None

    def kill(self, name: str) -> None:
        """Kill a program where it stands, as the supervisor runs it; returns when it runs again."""
        before = self.stack.supervisor.pid(name)
        assert before is not None, f"{name} does not run"
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self.stack.supervisor.pid(name) not in {None, before}, f"{name} to be started again", PATIENCE_S)

    def changed(self, name: str, prefix: Sequence[str] = ()) -> None:
        """Start a program anew behind the words of `prefix`, such as another clock's; without any, as it was."""
        path = self.stack.path / "run" / f"{name}.json"
        specification = json.loads(path.read_text())
        path.write_text(json.dumps({**specification, "command": [*prefix, *self.stack.supervisor.program(name).command]}))
        before = self.stack.supervisor.pid(name)
        started_by_it = psutil.Process(before).children(recursive=True) if before else []
        self.stack.supervisor.stop_program(name)
        # Whoever stays behind keeps the port, and its successor is started again and again for as long as the platform lives.
        _, stayed = psutil.wait_procs(started_by_it, timeout=30)
        assert not stayed, f"{name} left {stayed} behind"
        # libfaketime tidies up only after programs that end by themselves.
        for left in (f"faketime_shm_{before}", f"sem.faketime_sem_{before}"):
            Path("/dev/shm", left).unlink(missing_ok=True)
        self.stack.supervisor.start_program(name)

    def faults(self, within_s: float = PATIENCE_S) -> str:
        """What a checker that knows nothing of our code finds wrong, a line each."""
        expected = {
            "origin": self.stack.origin,
            "challenge": CHALLENGE,
            "mails": str(self.stack.mail_folder),
            "submissions": [asdict(each) for each in self.acknowledged],
        }
        environment = {"PATH": os.environ["PATH"], "CHECKED_DATABASE_URL": self._owner_url().replace("+psycopg2", "")}
        command = [sys.executable, CHECKER, str(within_s)]
        done = subprocess.run(command, input=json.dumps(expected), env=environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def differences(self) -> str:
        """Where what services keep differs from what the ledger says; empty if nowhere."""
        command = [Path(sys.executable).parent / "palio", "projection", "check"]
        environment = {**os.environ, "PALIO_OWNER_DATABASE_URL": self._owner_url()}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def _owner_url(self) -> str:
        return self.stack.postgres.owner_url()


@contextmanager
def world(
    name: str, processes: Processes, n_people: int = 2, trainer_settings: Mapping[str, str] | None = None
) -> Iterator[World]:
    """A platform with an open challenge that everybody has joined; nothing is armed."""
    services = [each.__name__.removesuffix("Settings").lower() for each in ALL_SETTINGS]
    with ExitStack() as stack_of:
        points = Path(stack_of.enter_context(tempfile.TemporaryDirectory(prefix="palio-points-")))
        settings = {service: {**IMPATIENT.get(service, {}), FOLDER_VARIABLE: str(points)} for service in services}
        settings["trainer"] |= trainer_settings or {}
        stack = stack_of.enter_context(temporary_stack(name, settings=settings, processes=processes))
        stack.start_servers()
        stack.migrate()
        stack.start_services()
        people = [stack_of.enter_context(_person(stack, f"person-{number}")) for number in range(n_people)]
        stack.appoint_administrator(people[0].name)
        problem = publish(people[0].client, CHALLENGE, KIT)
        assert problem["state"] == "prepared", problem
        people[0].client.create_challenge(CHALLENGE, "Known beforehand", CHALLENGE)
        for person in people:
            person.client.join(CHALLENGE)
        yield World(stack, people, points)


@contextmanager
def _person(stack: Stack, name: str) -> Iterator[Person]:
    password, email = secrets.token_urlsafe(12), f"{name}@example.org"
    with Client(stack.origin) as nobody:
        nobody.register(name, email, password)
        token = nobody.login(name, password)["token"]
    with Client(stack.origin, token) as client:
        yield Person(name, email, client, token)
