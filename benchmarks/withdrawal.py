"""Seconds from a withdrawal that was answered to the end of what ran.

Each submission starts a second process, ignores signals, and waits for ever; it is withdrawn once it trains. What ran is over when the
kernel says so of that process, which is the sandbox's and dies with it. "asked" counts from before the request, "answered" from
its answer: a sandbox may be gone before it.

Examples:
  .venv/bin/python -m benchmarks.withdrawal
  .venv/bin/python -m benchmarks.withdrawal --times 50 --json

"""

import os
import select
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from benchmarks.figures import Arguments, Figures
from benchmarks.people import KITS, open_challenge, platform
from palio.client import Client

KIT = "light"
LIMIT_S = 60.0
#: The seconds that the second process sleeps name it among those of this machine.
STUBBORN = """
import signal
import subprocess
import time


class Classifier:
    def fit(self, X, y):
        for number in set(signal.Signals) - {{signal.SIGKILL, signal.SIGSTOP}}:
            signal.signal(number, signal.SIG_IGN)
        subprocess.Popen(["/bin/sleep", "{marker}"])
        time.sleep(1e6)

    def predict_proba(self, X):
        return [[0.5, 0.5]] * len(X)
"""


def main() -> None:
    """Measure and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--times", type=int, default=20, help="how many are withdrawn, one after the other [20]")
    options = parser.parse_args()
    figures = Figures(f"{options.times} withdrawals, seconds to the end of what ran", ("from", "least", "median", "most"))
    with platform() as stage:
        open_challenge(stage, KIT, KITS / KIT)
        measured = [_withdrawn(stage.participant, number) for number in range(options.times)]
    for name, times in zip(("asked", "answered"), zip(*measured, strict=True), strict=True):
        figures.add(name, min(times), statistics.median(times), max(times))
    figures.print(as_json=options.json)


def _withdrawn(participant: Client, number: int) -> tuple[float, float]:
    """Submit, wait until it runs, withdraw; returns the seconds until it was gone, from the request and from its answer."""
    marker = f"{1_000_000 + os.getpid()}.{number}"
    submission = participant.submit(KIT, f"stubborn {number}", {"classifier.py": STUBBORN.format(marker=marker).encode()})
    process = os.pidfd_open(_pid_of(["/bin/sleep", marker]))
    try:
        with ThreadPoolExecutor(1) as thread:
            gone = thread.submit(_end_of, process)
            asked = time.monotonic()
            participant.withdraw(submission["id"])
            answered = time.monotonic()
            return gone.result() - asked, gone.result() - answered
    finally:
        os.close(process)


def _end_of(process: int) -> float:
    """When a process ended. Raises `TimeoutError`."""
    if not select.select([process], [], [], LIMIT_S)[0]:
        raise TimeoutError(f"what was withdrawn still runs after {LIMIT_S:.0f} s")
    return time.monotonic()


def _pid_of(command: list[str]) -> int:
    """The process that was started with this command line; waits for it. Raises `TimeoutError`."""
    wanted = "\0".join([*command, ""]).encode()
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if path.read_bytes() == wanted:
                    return int(path.parent.name)
        time.sleep(0.05)
    raise TimeoutError(f"no submission ran within {LIMIT_S:.0f} s")


if __name__ == "__main__":
    main()
