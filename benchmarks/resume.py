"""How soon things go on after a kill with SIGKILL.

A trainer: from the kill to the start on another one, in the ledger; two with one slot each, one of them idle. The active relay: from
the kill to the moment when the one that stood by says that it publishes.

Examples:
  .venv/bin/python -m benchmarks.resume
  .venv/bin/python -m benchmarks.resume --repeats 3 --json

"""

import os
import signal
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID

from sqlalchemy import Engine, create_engine

from benchmarks.figures import Arguments, Figures, say
from deploy.local.services import Processes
from deploy.local.stack import Stack
from shared.events import TrainingStarted
from shared.ledger import read_stream
from shared.runs import run_id_of
from tests.crash.world import Acknowledged, World, world
from tests.support.relays import running_relay

LIMIT_S = 120.0
FOLD_S = 5.0


def starts(engine: Engine, submission: Acknowledged, number: int) -> list[tuple[datetime, str]]:
    """When and where its run was begun, once that has been so often."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            events = [
                (each.recorded_at, each.event()) for each in read_stream(connection, f"run-{run_id_of(UUID(submission.id))}")
            ]
        found = [(at, event.trainer) for at, event in events if isinstance(event, TrainingStarted)]
        if len(found) >= number:
            return found
        time.sleep(0.01)
    raise TimeoutError(f"{submission.name} was not begun {number} times within {LIMIT_S} s")


def resumed_s(stage: World, engine: Engine) -> float:
    """Seconds from a kill to the next start."""
    submission = stage.submit(sleep_s=FOLD_S)
    trainer = starts(engine, submission, 1)[0][1]
    at = datetime.now(UTC)
    os.kill(int(trainer.rpartition("-")[2]), signal.SIGKILL)
    seconds = (starts(engine, submission, 2)[1][0] - at).total_seconds()
    stage.people[0].client.withdraw(submission.id)
    for program in ("trainer-1", "trainer-2"):
        stage.stack.supervisor.wait_ready([stage.stack.supervisor.program(program)], limit_s=LIMIT_S)
    return seconds


def taken_over_s(stack: Stack) -> float:
    """Seconds from a kill of the active relay to the other one's being active."""
    environment = stack.services.environment("relay")
    with running_relay(environment) as active:
        _wait(active.is_active)
        with running_relay(environment) as standby:
            _wait(lambda: '"ready"' in standby.readiness())
            active.kill()
            at = time.monotonic()
            _wait(standby.is_active)
            return time.monotonic() - at


def _wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not until():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the relays were not where they should be within {LIMIT_S} s")
        time.sleep(0.01)


def main() -> None:
    """Measure and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="kills [7]")
    options = parser.parse_args()
    with world("resume", Processes(trainers=2), 1, {"PALIO_SLOTS": "1", "PALIO_SLOW_FOLD_S": "60"}) as stage:
        engine = create_engine(stage.stack.postgres.owner_url())
        say("killing trainers")
        times = [resumed_s(stage, engine) for _ in range(options.repeats)]
        engine.dispose()
    figures = Figures("going on after a kill", ("what", "kills", "median, s", "longest, s"))
    figures.add("trainer", len(times), median(times), max(times))
    with tempfile.TemporaryDirectory(prefix="palio-benchmark-") as folder, Stack(Path(folder) / "stack") as stack:
        stack.start_servers()
        stack.migrate()
        say("killing relays")
        times = [taken_over_s(stack) for _ in range(options.repeats)]
    figures.add("relay", len(times), median(times), max(times))
    figures.print(as_json=options.json)


if __name__ == "__main__":
    main()
