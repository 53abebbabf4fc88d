"""How well 1 to 16 replicas of a trainer, one slot each, share the folds of a workflow that sleeps.

Each replica is a process of its own; all run on this machine, with everything else of the platform. A replica gets work for
about the same time however many there are. Efficiency is folds x seconds a fold / (replicas x seconds from the first fold begun to
the last one recorded, by the ledger's clock). At the start every replica is held by a submission that is then withdrawn, with all
work in the queue and sandboxes standing by. Folds of a second are shared among all replicas, one request each; those of a tenth
stay on the replica that has the run.

A sleeping fold takes no CPU, its sandbox and messages do. "possible" is the efficiency that this machine's cores allow if they do
nothing but start sandboxes of the kit, see benchmarks.sandbox_cost; "CPU a fold" is that of the whole machine.

Examples:
  .venv/bin/python -m benchmarks.replicas
  .venv/bin/python -m benchmarks.replicas --replicas 4 16 --fold-s 1 --json
  .venv/bin/python -m benchmarks.replicas --kits eight_folds --replicas 1 2 4 --fold-s 1

"""

import math
import os
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from sqlalchemy import create_engine

from benchmarks.figures import Arguments, Cell, Figures, say
from benchmarks.people import KITS, Platform, open_challenge, platform
from benchmarks.sandbox_cost import folds_per_second, problem_on_host
from benchmarks.timeline import Work, work_of
from deploy.local.trainers import trainers
from shared.events import Event, RecordedEvent, ScoreComputed, TrainingFinished, TrainingStarted
from shared.ledger import head_position, read_after

POOL = "measured"
N_FOLDS = 8
#: Uploads take CPU, too: no more of them than this, however short a fold is.
MOST_SUBMISSIONS_EACH = 4
WARM_UP_FOLD_S = 0.2
WARM_UPS = 5
#: What holds a replica until it is withdrawn.
GATE_S = 250
UPLOADERS = 4
CEILING_S = 5.0
LIMIT_S = 300.0
HEADINGS = (
    *("kit", "a fold, s", "replicas", "folds", "wall, s", "efficiency, %", "possible, %"),
    *("around a fold, ms", "between jobs, ms", "folds per second", "CPU a fold, s"),
)
E = TypeVar("E", bound=Event)
R = TypeVar("R")
SLEEPER = """
import time

import numpy as np


class Classifier:
    def fit(self, X, y):
        time.sleep({seconds})

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)
"""


class Ledger:
    """The platform's ledger, read from where a measurement begins."""

    def __init__(self, stage: Platform) -> None:
        self._engine = create_engine(stage.stack.postgres.owner_url())
        self._start = 0
        self._events: list[RecordedEvent] = []

    def begin(self) -> None:
        """From here on."""
        with self._engine.connect() as connection:
            self._start, self._events = head_position(connection), []

    def events(self) -> list[RecordedEvent]:
        """Everything since the beginning."""
        with self._engine.connect() as connection:
            while new := read_after(connection, self._start + len(self._events), 1000):
                self._events += new
        return self._events

    def wait_for(self, kind: type[Event], number: int) -> None:
        """Wait for so many events of a kind. Raises `TimeoutError`."""
        deadline = time.monotonic() + LIMIT_S
        while (there := sum(each.type == kind.__name__ for each in self.events())) < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{there} of {number} {kind.__name__} after {LIMIT_S} s")
            time.sleep(0.1)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


class Measurement:
    """A challenge on one kit, worked on by so many replicas that run already."""

    def __init__(self, stage: Platform, ledger: Ledger, kit: str, replicas: int) -> None:
        self._client = stage.participant
        self._ledger = ledger
        self._kit = kit
        self._replicas = replicas
        self._submitted = 0

    def warm_up(self) -> None:
        """Let every replica train until it has the kit's files and knows how many sandboxes it is worth."""
        warm: Counter[str] = Counter()
        for _ in range(WARM_UPS):
            self._ledger.begin()
            self._submit(self._replicas, WARM_UP_FOLD_S)
            self._ledger.wait_for(ScoreComputed, self._replicas)
            warm += Counter(event.trainer for event in self._typed(TrainingStarted))
            if len(warm) == self._replicas and min(warm.values()) > 1:
                return
        say(f"only {len(warm)} of {self._replicas} replicas had something to do while warming up")

    def work(self, fold_s: float, submissions: int) -> tuple[Work, float]:
        """Have submissions trained; returns what the replicas did, and the seconds of CPU that the machine used meanwhile."""
        self._ledger.begin()
        gates = self._submit(self._replicas, GATE_S)
        self._ledger.wait_for(TrainingStarted, self._replicas)
        self._ledger.begin()
        self._submit(submissions, fold_s)
        busy_s = machine_busy_s()
        self._together(self._client.withdraw, gates)
        self._ledger.wait_for(TrainingFinished, submissions)
        used_s = machine_busy_s() - busy_s
        # Scoring goes on a little longer; it is not to be in the next measurement.
        self._ledger.wait_for(ScoreComputed, submissions)
        return work_of(self._ledger.events()), used_s

    def _submit(self, number: int, fold_s: float) -> list[str]:
        """Submit so many that sleep so long on each fold; returns their ids."""
        files = {"classifier.py": SLEEPER.format(seconds=fold_s).encode()}
        names = [f"{self._replicas} replicas, {self._submitted + each}" for each in range(number)]
        self._submitted += number
        return self._together(lambda name: self._client.submit(self._kit, name, files)["id"], names)

    def _typed(self, kind: type[E]) -> list[E]:
        return [event for each in self._ledger.events() if isinstance(event := each.event(), kind)]

    @staticmethod
    def _together(work: Callable[[str], R], all_of: Iterable[str]) -> list[R]:
        with ThreadPoolExecutor(UPLOADERS) as threads:
            return list(threads.map(work, all_of))


def machine_busy_s() -> float:
    """Seconds of CPU that everything on this machine has used."""
    user, nice, system, _idle, _waiting, *others = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def submissions_for(replicas: int, fold_s: float, seconds: float) -> int:
    """So many that every replica has about `seconds` to do."""
    return replicas * min(MOST_SUBMISSIONS_EACH, math.ceil(seconds / (N_FOLDS * fold_s)))


def main() -> None:
    """Measure and print."""
    options = _options()
    figures = Figures("replicas of one slot each", HEADINGS)
    with platform(other_pools=[POOL]) as stage, closing(Ledger(stage)) as ledger:
        for kit in options.kits:
            open_challenge(stage, kit, KITS / kit, {"pool": POOL})
            with problem_on_host(stage, kit, stage.folder / "cache") as on_host:
                ceiling = folds_per_second(on_host, KITS / kit, CEILING_S)
            for replicas in options.replicas:
                with trainers(stage.stack, POOL, stage.folder, number=replicas, standby_sandboxes=str(options.standby)):
                    measurement = Measurement(stage, ledger, kit, replicas)
                    measurement.warm_up()
                    for fold_s in options.fold_s:
                        work, used_s = measurement.work(fold_s, submissions_for(replicas, fold_s, options.seconds))
                        figures.add(*_row(kit, fold_s, replicas, work, used_s, ceiling))
    figures.print(as_json=options.json)


def _row(kit: str, fold_s: float, replicas: int, work: Work, used_s: float, ceiling: float) -> tuple[Cell, ...]:
    efficiency, possible = work.efficiency(replicas, fold_s), min(1.0, ceiling * fold_s / replicas)
    beyond_ms = (work.in_fold_s - fold_s) * 1000
    between_ms = None if work.between_s is None else work.between_s * 1000
    rates = (work.folds / work.wall_s, used_s / work.folds)
    return (kit, str(fold_s), replicas, work.folds, work.wall_s, efficiency * 100, possible * 100, beyond_ms, between_ms, *rates)


def _options() -> Namespace:
    parser = Arguments(__doc__)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="numbers of replicas [1 2 4 8 16]")
    parser.add_argument("--fold-s", type=float, nargs="+", default=[1.0, 0.1], help="seconds that a fold sleeps [1 0.1]")
    parser.add_argument(
        "--kits", nargs="+", default=["light"], choices=["light", "eight_folds"], help="see benchmarks/kits [light]"
    )
    parser.add_argument("--seconds", type=float, default=16, help="what a replica has to do, as far as uploads allow [16]")
    parser.add_argument("--standby", type=int, default=2, help="sandboxes that each replica keeps ready [2]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
