"""People and kits on a real platform, made once a session."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.stack import Stack
from palio.client import Client
from palio.packing import packed_problem

ROOT = Path(__file__).parents[2]
#: Preparing builds an environment from the package index: minutes on a slow line, seconds with a warm cache.
PREPARATION_LIMIT_S = 600
KITS = {"iris": ROOT / "kits/iris", "digits": ROOT / "kits/digits", "ramp_iris": ROOT / "tests/kits/ramp_iris"}


@dataclass(frozen=True)
class Person:
    """Somebody who is registered, with a client that carries their token."""

    name: str
    email: str
    client: Client
    token: str


@pytest.fixture(scope="session")
def register(platform: Stack) -> Iterator[Callable[[str], Person]]:
    """Registers people; their clients are closed at the end."""
    people: list[Person] = []

    def register(name: str) -> Person:
        email, password = f"{name}@example.org", secrets.token_urlsafe(12)
        with Client(platform.origin) as nobody:
            nobody.register(name, email, password)
            token = nobody.login(name, password)["token"]
        people.append(Person(name, email, Client(platform.origin, token), token))
        return people[-1]

    yield register
    for person in people:
        person.client.close()


@pytest.fixture(scope="session")
def organiser(platform: Stack, register: Callable[[str], Person]) -> Person:
    """An administrator."""
    person = register("organiser")
    platform.appoint_administrator(person.name)
    return person


@pytest.fixture(scope="session")
def ada(register: Callable[[str], Person]) -> Person:
    """A participant."""
    return register("ada")


def publish(organiser: Client, problem: str, folder: Path) -> dict[str, object]:
    """Publish a kit and wait until it is prepared or refused; returns the problem as its organiser sees it."""
    with packed_problem(folder) as packed:
        organiser.publish_problem(problem, packed.kit, packed.private)
    return wait_until_prepared(organiser, problem)


def wait_until_prepared(organiser: Client, problem: str) -> dict[str, object]:
    """The problem once it is prepared or refused."""
    deadline = time.monotonic() + PREPARATION_LIMIT_S
    while time.monotonic() < deadline:
        found = organiser.problem(problem)
        if found["state"] != "preparing":
            return dict(found)
        time.sleep(0.2)
    raise TimeoutError(f"{problem} was not prepared within {PREPARATION_LIMIT_S} s")


@pytest.fixture(scope="session")
def challenge_of(organiser: Person) -> Callable[[str], str]:
    """The open challenge on one of the kits, published at first use."""
    made: dict[str, str] = {}

    def challenge_of(kit: str) -> str:
        if kit not in made:
            problem = publish(organiser.client, kit, KITS[kit])
            assert problem["state"] == "prepared", problem
            organiser.client.create_challenge(kit, f"The {kit} challenge", kit)
            made[kit] = kit
        return made[kit]

    return challenge_of


def starter(kit: str, submission: str = "starting_kit") -> dict[str, bytes]:
    """The files of a kit's submission."""
    folder = KITS[kit] / "submissions" / submission
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def submit_and_wait(person: Person, challenge: str, name: str, files: dict[str, bytes]) -> dict[str, object]:
    """Submit, and follow the submission to its end."""
    submission = person.client.submit(challenge, name, files)
    last: dict[str, object] = {}
    for state in person.client.watch(submission["id"]):
        last = dict(state)
    return last


@pytest.fixture(scope="session")
def ramp_test_scores(
    organiser: Person, challenge_of: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path, str], dict[str, Any]]:
    """What ramp-workflow's own functions say of a submission, in the very packages that the platform has locked."""
    folder = tmp_path_factory.mktemp("ramp")
    environment = organiser.client.environment(challenge_of("ramp_iris"))
    lock = folder / "requirements.txt"
    lock.write_text(environment["requirements"])
    python = folder / "venv/bin/python"
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "venv", "--quiet", "--python", environment["python_version"], folder / "venv"], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock], check=True)

    def scores(kit: Path, submission: str) -> dict[str, Any]:
        copy = folder / kit.name
        shutil.copytree(kit, copy, dirs_exist_ok=True)
        # Threads as in the platform's sandbox, since sums in another order differ in the last digits.
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        script = Path(__file__).parent / "ramp_reference.py"
        done = subprocess.run(
            [python, script, copy, submission], env={**os.environ, **one_thread}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))

    return scores
