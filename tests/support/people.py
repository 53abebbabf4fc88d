"""People who use a platform, and what they do there: publish a kit, submit, wait for what becomes of it."""

import time
from dataclasses import dataclass
from pathlib import Path

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


def publish(organiser: Client, problem: str, folder: Path) -> dict[str, object]:
    """Publish a kit and wait until it is prepared or refused; returns the problem as its organiser sees it."""
    with packed_problem(folder) as packed:
        organiser.publish_problem(problem, packed.kit, packed.private)
    return wait_until_prepared(organiser, problem)


def wait_until_prepared(organiser: Client, problem: str, limit_s: float = PREPARATION_LIMIT_S) -> dict[str, object]:
    """The problem once it is prepared or refused."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = organiser.problem(problem)
        if found["state"] != "preparing":
            return dict(found)
        time.sleep(0.2)
    raise TimeoutError(f"{problem} was not prepared within {limit_s} s")


def starter(kit: str, submission: str = "starting_kit") -> dict[str, bytes]:
    """The files of a kit's submission."""
    return files_of(KITS[kit] / "submissions" / submission)


def files_of(folder: Path) -> dict[str, bytes]:
    """The files in a submission's folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def submit_and_wait(person: Person, challenge: str, name: str, files: dict[str, bytes]) -> dict[str, object]:
    """Submit, and follow the submission to its end."""
    return followed(person, person.client.submit(challenge, name, files)["id"])


def followed(person: Person, submission_id: str) -> dict[str, object]:
    """A submission once its state is final."""
    last: dict[str, object] = {}
    for state in person.client.watch(submission_id):
        last = dict(state)
    return last
