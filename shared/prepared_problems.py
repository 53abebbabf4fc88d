"""What the ledger says of a problem's versions: read by every service that must know whether one is ready."""

from sqlalchemy import Connection

from shared.events import ProblemPreparationFailed, ProblemPrepared, ProblemPublished
from shared.ledger import known_events, read_stream

ProblemState = ProblemPublished | ProblemPrepared | ProblemPreparationFailed


def find_prepared(connection: Connection, problem_id: str, version: int) -> ProblemPrepared | None:
    """The preparation of a problem's version, or None while there is none."""
    for event in reversed(problem_history(connection, problem_id)):
        if isinstance(event, ProblemPrepared) and event.version == version:
            return event
    return None


def newest_prepared(connection: Connection, problem_id: str) -> ProblemPrepared | None:
    """The newest version of a problem that is prepared, or None."""
    prepared = [event for event in problem_history(connection, problem_id) if isinstance(event, ProblemPrepared)]
    return max(prepared, key=lambda event: event.version, default=None)


def problem_history(connection: Connection, problem_id: str) -> list[ProblemState]:
    """Everything recorded of a problem, in order; empty if there is none of this id."""
    events = known_events(read_stream(connection, f"problem-{problem_id}"))
    return [event for _, event in events if isinstance(event, ProblemState)]
