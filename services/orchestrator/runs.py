"""Runs in the ledger: read a run's stream, decide on it, append what follows, all against one version of the stream."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Connection, Engine

from services.orchestrator.run import Decision, Run, fold_events
from shared.bus.consumer import RejectedError, TransientError
from shared.events import Metadata
from shared.ledger import ConflictError, DuplicateEventError, NewEvent, append, read_stream

#: Two decisions on one run at once: the one that lost reads the stream again. More than a few in a row is a defect.
MAX_CONFLICTS = 20


def load_run(connection: Connection, run_id: UUID) -> tuple[Run, Metadata] | None:
    """A run as its stream says, with the metadata that its further events carry; None if there is none."""
    recorded = read_stream(connection, f"run-{run_id}")
    run = fold_events(each.event() for each in recorded)
    return (run, recorded[-1].metadata.caused_by(recorded[-1])) if run else None


def decide_and_append(engine: Engine, run_id: UUID, decide: Callable[[Run], list[Decision]]) -> list[Decision]:
    """Append what `decide` says, and return it; nothing if somebody has stated the same meanwhile.

    Raises `RejectedError` if there is no such run, `TransientError` if others kept deciding first, and what `decide` raises.
    """
    for _ in range(MAX_CONFLICTS):
        try:
            return _try_once(engine, run_id, decide)
        except ConflictError:
            continue
        except DuplicateEventError:
            return []
    # A true report is not buried for being late.
    raise TransientError(f"the stream of run {run_id} changed {MAX_CONFLICTS} times while something was decided on it")


def _try_once(engine: Engine, run_id: UUID, decide: Callable[[Run], list[Decision]]) -> list[Decision]:
    with engine.begin() as connection:
        found = load_run(connection, run_id)
        if found is None:
            raise RejectedError(f"there is no run {run_id}")
        run, metadata = found
        decisions = decide(run)
        if decisions:
            events = [NewEvent(each.event, metadata, run.version + number, id=each.id) for number, each in enumerate(decisions)]
            append(connection, events)
    return decisions
