"""How much flows through the whole platform, and how soon: with recorded predictions, and through the sandbox.

Participants hand in side by side until all is in; the clock stops when the last score is in the ledger. `board` is the time from
`ScoreComputed` in the ledger to the commit that puts it on the board; `share` is from the upload's record to the score's. The kit
has three folds, and its submissions return a number: what is measured is everything but training.

Examples:
  .venv/bin/python -m benchmarks.flow
  .venv/bin/python -m benchmarks.flow --submissions 100 --clients 4 --json

"""

import json
import os
import select
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from statistics import median, quantiles

from sqlalchemy import Engine, create_engine, text

from benchmarks.figures import Arguments, Cell, Figures, say
from benchmarks.recorded_trainer import FOLDER_VARIABLE
from deploy.local.services import Processes
from shared.events import RecordedEvent, ScoreComputed, SubmissionUploaded
from shared.ledger import head_position, read_after
from tests.crash.world import World, world

N_KINDS = 8
LIMIT_S = 600.0
HEADINGS = ("trainers", "clients", "submissions", "seconds", "a second", "share p50, ms", "board p50, ms", "board p95, ms")


class Commits:
    """When the leaderboard committed which position, heard from the database as readers hear it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._over = threading.Event()
        self.seen: list[tuple[int, float]] = []

    @contextmanager
    def heard(self) -> Iterator["Commits"]:
        """Listen meanwhile."""
        thread = threading.Thread(target=self._listen)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def delay_s(self, recorded: RecordedEvent) -> float:
        """From an event's record to the commit that took it in."""
        return next(at for position, at in self.seen if position >= recorded.position) - recorded.recorded_at.timestamp()

    def _listen(self) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("LISTEN leaderboard"))
            raw = connection.connection.driver_connection
            while raw is not None and not self._over.is_set():
                if select.select([raw], [], [], 0.2)[0]:
                    raw.poll()
                    at = time.time()
                    self.seen += [(int(each.payload), at) for each in raw.notifies]
                    raw.notifies.clear()


def flow(stage: World, engine: Engine, submissions: int, clients: int) -> tuple[Cell, ...]:
    """Hand in so many, and measure."""
    with engine.connect() as connection:
        start = head_position(connection)
    began = time.perf_counter()
    with Commits(engine).heard() as commits:
        with ThreadPoolExecutor(clients) as threads:
            for number in range(submissions):
                threads.submit(stage.submit, score=(number % N_KINDS + 1) / 1024)
        events = _scored(engine, start, submissions)
        seconds = time.perf_counter() - began
        scores = [each for each in events if each.type == ScoreComputed.__name__]
        deadline = time.monotonic() + LIMIT_S
        while not commits.seen or commits.seen[-1][0] < scores[-1].position:
            if time.monotonic() > deadline:
                raise TimeoutError("the board never had the last score")
            time.sleep(0.05)
    delays = [commits.delay_s(each) * 1000 for each in scores]
    uploaded = {_submission_of(each): each.recorded_at for each in events if each.type == SubmissionUploaded.__name__}
    shares = [_ms_between(uploaded[_submission_of(each)], each.recorded_at) for each in scores]
    board = (median(delays), quantiles(delays, n=20)[-1])
    return (clients, submissions, seconds, submissions / seconds, median(shares), *board)


def _submission_of(recorded: RecordedEvent) -> str:
    return str(json.loads(recorded.data)["submission_id"])


def _ms_between(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds() * 1000


def _scored(engine: Engine, start: int, submissions: int) -> list[RecordedEvent]:
    """Everything since the start, once so many scores are there."""
    events: list[RecordedEvent] = []
    deadline = time.monotonic() + LIMIT_S
    while sum(each.type == ScoreComputed.__name__ for each in events) < submissions:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all are scored after {LIMIT_S} s")
        with engine.connect() as connection:
            new = read_after(connection, start + len(events), 1000)
        events += new
        if not new:
            time.sleep(0.02)
    return events


def measured(figures: Figures, name: str, module: str, options: Namespace, settings: Mapping[str, str]) -> None:
    """One kind of trainers."""
    with world("flow", Processes(trainers=1, trainer_module=module), n_people=8, trainer_settings=settings) as stage:
        engine = create_engine(stage.stack.postgres.owner_url())
        say(f"{name}: warming up")
        flow(stage, engine, 2 * N_KINDS, 1)
        for clients in options.clients:
            say(f"{name}: {clients} clients")
            figures.add(name, *flow(stage, engine, options.submissions, clients))
        engine.dispose()


def main() -> None:
    """Measure and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--submissions", type=int, default=200, help="for each row [200]")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help="that hand in side by side [1 8]")
    options = parser.parse_args()
    figures = Figures("the whole way, training left out", HEADINGS)
    slots = str(os.cpu_count() or 1)
    with tempfile.TemporaryDirectory(prefix="palio-recordings-") as recordings:
        replay = {FOLDER_VARIABLE: recordings, "PALIO_STANDBY_SANDBOXES": "0", "PALIO_SLOTS": slots}
        measured(figures, "recorded", "benchmarks.recorded_trainer", options, replay)
    measured(figures, "sandbox", "services.trainer", options, {"PALIO_SLOTS": slots})
    figures.print(as_json=options.json)


if __name__ == "__main__":
    main()
