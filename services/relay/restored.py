"""Where the relay goes on when a backup is restored, with a broker that holds nothing.

What its queues held when the backup was made is gone. Trainers' work the orchestrator asks for again by itself, once no queue and
no trainer has it; read models pull from the ledger. The scorer only hears: so the relay goes back to the oldest event of the last
day that the scorer still owes an answer. What is older waited in no queue. Trainers may train again what lies between; what they
say of runs that are over is dropped.
"""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Connection, text

from shared.events import (
    EVENT_TYPES,
    Event,
    Outcome,
    ProblemPreparationFailed,
    ProblemPrepared,
    ProblemPublished,
    RecordedEvent,
    ScoreComputed,
    ScoringFailed,
    TrainingFinished,
)
from shared.ledger import read_after
from shared.restored import Restored

#: A queue is emptied within minutes; what waits for longer is in the dead letters.
WAITED_AT_MOST = timedelta(days=1)

_FIRST_OF_LAST_DAY = text(
    "SELECT coalesce(min(position), 0) FROM ledger.events WHERE recorded_at >= (SELECT recorded_at FROM ledger.head) - :waited"
)
_MOVE = text("UPDATE checkpoint SET position = least(position, :position) RETURNING position")
_BATCH = 2000


def when_restored(connection: Connection, restored: Restored) -> str:
    """Move the relay's place back to where somebody still waits, if it was beyond it."""
    first = int(connection.execute(_FIRST_OF_LAST_DAY, {"waited": WAITED_AT_MOST}).scalar_one())
    owed = first_owed(_events(connection, first - 1))
    position = connection.execute(_MOVE, {"position": restored.position if owed is None else owed - 1}).scalar_one()
    return f"publishes again after position {position:,}"


def first_owed(events: Iterable[RecordedEvent]) -> int | None:
    """The position of the oldest event that the scorer has not answered; None if it has answered all."""
    owed: dict[object, int] = {}
    for recorded in events:
        match _known(recorded):
            case ProblemPublished(problem_id=problem_id, version=version):
                owed[problem_id, version] = recorded.position
            case (
                ProblemPrepared(problem_id=problem_id, version=version)
                | ProblemPreparationFailed(problem_id=problem_id, version=version)
            ):
                owed.pop((problem_id, version), None)
            case TrainingFinished(outcome=Outcome.TRAINED, run_id=run_id):
                owed[run_id] = recorded.position
            case ScoreComputed(run_id=run_id) | ScoringFailed(run_id=run_id):
                owed.pop(run_id, None)
    return min(owed.values(), default=None)


def _known(recorded: RecordedEvent) -> Event | None:
    return recorded.event() if recorded.type in EVENT_TYPES else None


def _events(connection: Connection, position: int) -> Iterable[RecordedEvent]:
    while events := read_after(connection, position, _BATCH):
        yield from events
        position = events[-1].position
