"""Seconds from the upload of a starter to the board that shows it, beside `palio test` and bare `ramp-test`, in one run.

Run it: .venv/bin/python -m benchmarks.upload_to_board [--repeats N]
"""

import argparse
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.local.services import ROOT
from deploy.local.stack import Stack
from palio.client import Client
from palio.packing import packed_problem

KITS = {"iris": ROOT / "kits/iris", "digits": ROOT / "kits/digits", "ramp_iris": ROOT / "tests/kits/ramp_iris"}
STARTER = "starting_kit"
LIMIT_S = 900


def median_seconds(work: Callable[[int], None], repeats: int) -> float:
    """Median wall time of `work`, which is told how often it was called."""
    times = []
    for number in range(repeats):
        start = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def person(origin: str, name: str) -> Client:
    """Somebody new."""
    password = secrets.token_urlsafe(12)
    with Client(origin) as nobody:
        nobody.register(name, f"{name}@example.org", password)
        return Client(origin, nobody.login(name, password)["token"])


def open_challenge(organiser: Client, kit: str) -> None:
    """Publish a kit and open a challenge on it."""
    with packed_problem(KITS[kit]) as packed:
        organiser.publish_problem(kit, packed.kit, packed.private)
    deadline = time.monotonic() + LIMIT_S
    while (problem := organiser.problem(kit))["state"] == "preparing" and time.monotonic() < deadline:
        time.sleep(0.5)
    if problem["state"] != "prepared":
        raise RuntimeError(f"{kit}: {problem['reason']}\n{problem['detail']}")
    organiser.create_challenge(kit, kit, kit)


def upload_to_board(participant: Client, kit: str, files: dict[str, bytes], name: str) -> None:
    """Submit, follow the submission's stream to its end, and read the board that shows it."""
    submission = participant.submit(kit, name, files)
    *_, last = participant.watch(submission["id"])
    if last["state"] != "scored":
        raise RuntimeError(f"{kit}: {last}")
    rows = participant.board(kit)["rows"]
    if submission["id"] not in {row["submission_id"] for row in rows}:
        raise RuntimeError(f"{kit}: scored, but not on the board")


def environment_of(client: Client, kit: str, folder: Path) -> Path:
    """The server's locked environment as a virtual environment here; returns its Python."""
    from palio.environment import make_environment  # noqa: PLC0415  (needs seconds to import)

    make_environment(folder, client.environment(kit), client, lambda _line: None)
    return folder / ".venv/bin/python"


def here(kit: Path, command: list[str | Path]) -> None:
    """Run a command in a kit's folder, quietly, with one thread, as the sandbox has."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    subprocess.run(command, cwd=kit, env={**os.environ, **threads}, check=True, capture_output=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    table = Table("kit", "upload → board, s", "palio test, s", "ratio", "ramp-test, s", "ratio", title=f"medians of {repeats}")
    with tempfile.TemporaryDirectory(prefix="palio-benchmark-") as name, Stack(Path(name) / "stack") as stack:
        stack.start_servers()
        stack.migrate()
        stack.start_services()
        organiser, participant = person(stack.origin, "organiser"), person(stack.origin, "participant")
        stack.appoint_administrator("organiser")
        for kit, source in KITS.items():
            open_challenge(organiser, kit)
            participant.join(kit)
            files = {path.name: path.read_bytes() for path in (source / "submissions" / STARTER).iterdir() if path.is_file()}
            # Once outside the measurement: both sides then have their files in the host's cache.
            upload_to_board(participant, kit, files, "warm-up")
            ours = median_seconds(lambda number: upload_to_board(participant, kit, files, f"run {number}"), repeats)
            folder = Path(name) / kit
            shutil.copytree(source, folder)
            python = environment_of(participant, kit, folder)
            if not (folder / "data").is_dir():
                here(folder, [python, "prepare_data.py"])
            palio: list[str | Path] = [sys.executable, "-m", "palio", "test", folder, STARTER]
            own_test = median_seconds(lambda _: here(folder, palio), repeats)
            row = [kit, f"{ours:.2f}", f"{own_test:.2f}", f"{ours / own_test:.2f}"]
            if (python.parent / "ramp-test").exists():
                ramp = median_seconds(lambda _: here(folder, [python.parent / "ramp-test", "--submission", STARTER]), repeats)
                row += [f"{ramp:.2f}", f"{ours / ramp:.2f}"]
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
