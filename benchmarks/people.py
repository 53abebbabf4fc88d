"""A platform of a benchmark's own, and what people do there: publish a kit, hand in, wait for the board."""

import os
import secrets
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import say
from deploy.local.services import ROOT
from deploy.local.stack import Stack
from palio.client import Client
from palio.packing import packed_problem

KITS = ROOT / "benchmarks/kits"
STARTER = "starting_kit"
#: Preparing builds an environment from the package index: seconds with a warm cache, minutes on a slow line.
LIMIT_S = 900


@dataclass(frozen=True)
class Platform:
    """A platform with all services, one person who organises and one who takes part. `folder` is for more files."""

    stack: Stack
    folder: Path
    organiser: Client
    participant: Client


@contextmanager
def platform(other_pools: Sequence[str] = ()) -> Iterator[Platform]:
    """Everything in a temporary folder, started; at the end it is gone. Data are synced to disk as in production."""
    with tempfile.TemporaryDirectory(prefix="palio-benchmark-") as name:
        folder = Path(name)
        with Stack(folder / "stack", other_pools=other_pools) as stack:
            say("starting a platform")
            stack.start_servers()
            stack.migrate()
            stack.start_services()
            organiser, participant = person(stack.origin, "organiser"), person(stack.origin, "participant")
            with organiser, participant:
                stack.appoint_administrator("organiser")
                yield Platform(stack, folder, organiser, participant)


def person(origin: str, name: str) -> Client:
    """Somebody new."""
    password = secrets.token_urlsafe(12)
    with Client(origin) as nobody:
        nobody.register(name, f"{name}@example.org", password)
        return Client(origin, nobody.login(name, password)["token"])


def open_challenge(platform: Platform, name: str, kit: Path, settings: Mapping[str, Any] | None = None) -> None:
    """Publish a kit, open a challenge on it under these rules, and let the participant join."""
    say(f"preparing {name}")
    organiser = platform.organiser
    with packed_problem(kit) as packed:
        organiser.publish_problem(name, packed.kit, packed.private)
    deadline = time.monotonic() + LIMIT_S
    while (problem := organiser.problem(name))["state"] == "preparing" and time.monotonic() < deadline:
        time.sleep(0.5)
    if problem["state"] != "prepared":
        raise RuntimeError(f"{name}: {problem['reason']}\n{problem['detail']}")
    organiser.create_challenge(name, name, name, settings)
    platform.participant.join(name)


def starter(kit: Path) -> dict[str, bytes]:
    """The files of a kit's starter."""
    return {path.name: path.read_bytes() for path in (kit / "submissions" / STARTER).iterdir() if path.is_file()}


def upload_to_board(participant: Client, challenge: str, files: Mapping[str, bytes], name: str) -> None:
    """Submit, follow the submission's stream to its end, and read the board that shows it."""
    submission = participant.submit(challenge, name, files)
    *_, last = participant.watch(submission["id"])
    if last["state"] != "scored":
        raise RuntimeError(f"{challenge}: {last}")
    rows = participant.board(challenge)["rows"]
    if submission["id"] not in {row["submission_id"] for row in rows}:
        raise RuntimeError(f"{challenge}: scored, but not on the board")


def median_seconds(work: Callable[[int], object], repeats: int) -> float:
    """Median wall time of `work`, which is told how often it was called."""
    times = []
    for number in range(repeats):
        start = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def environment_of(client: Client, challenge: str, folder: Path) -> Path:
    """The server's locked environment as a virtual environment here; returns its Python."""
    from palio.environment import make_environment  # noqa: PLC0415  (needs seconds to import)

    make_environment(folder, client.environment(challenge), client, lambda _line: None)
    return folder / ".venv/bin/python"


def here(kit: Path, command: list[str | Path]) -> None:
    """Run a command in a kit's folder, quietly, with one thread, as the sandbox has."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # What is imported is compiled once, as in the platform's environments, whatever this machine's custom is.
    variables = {**os.environ, **threads, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(command, cwd=kit, env=variables, check=True, capture_output=True)
