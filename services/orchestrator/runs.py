"""Runs in the ledger: read a run's stream, decide on it, append what follows, all against one version of the stream."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from services.orchestrator.run import Decision, Run, evolve, fold_events
from shared.bus.consumer import RejectedError, TransientError
from shared.events import Metadata
from shared.faults import fault_point
from shared.ledger import ConflictError, DuplicateEventError, NewEvent, append, known_events, read_stream

#: Two decisions on one run at once: the one that lost reads the stream again. More than a few in a row is a defect.
MAX_CONFLICTS = 20


def load_run(connection: Connection, run_id: UUID) -> tuple[Run, Metadata] | None:
    """A run as its stream says, with the metadata that its further events carry; None if there is none."""
    recorded = read_stream(connection, f"run-{run_id}")
    run = fold_events(event for _, event in known_events(recorded))
    # What a later release put into the stream counts in its version, though this one passes it over.
    return (replace(run, version=len(recorded)), recorded[-1].metadata.caused_by(recorded[-1])) if run else None


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
            append(connection, _chained(run, metadata, decisions))
    return decisions


def _chained(run: Run, metadata: Metadata, decisions: Sequence[Decision]) -> list[NewEvent]:
    """As the next events of the run's stream, each caused by the one before it: the end of a run by its last fold."""
    causes = [metadata.causation_id, *(each.id for each in decisions)]
    return [
        NewEvent(each.event, metadata.model_copy(update={"causation_id": cause}), run.version + number, id=each.id)
        for number, (each, cause) in enumerate(zip(decisions, causes, strict=False))
    ]


@dataclass(frozen=True)
class Question:
    """What is to be decided of a run."""

    run_id: UUID
    decide: Callable[[Run], list[Decision]]


#: The database's words when it is away, or the ledger locked: no report is at fault.
AWAY = (OperationalError, InterfaceError)
#: What was decided, or why nothing can be.
Answer = list[Decision] | Exception


def decide_and_append_all(engine: Engine, questions: Sequence[Question]) -> list[Answer]:
    """Answer many in one transaction, each as if those before it had been answered alone; then append all that follows, once.

    A commit waits for the disk, however much is in it. Raises `OperationalError` while the database is away.
    """
    try:
        with engine.begin() as connection:
            batch = _Batch(connection)
            answers: list[Answer] = [batch.answer(each) for each in questions]
            if batch.events:
                append(connection, batch.events)
    except AWAY:
        raise
    except Exception:  # noqa: BLE001  (whose fault it is shows when each is answered alone)
        # Somebody else decided on one of the runs meanwhile, or one of these makes no sense.
        return [_answered_alone(engine, each) for each in questions]
    fault_point("orchestrator", "decided")
    return answers


def _answered_alone(engine: Engine, question: Question) -> Answer:
    try:
        return decide_and_append(engine, question.run_id, question.decide)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001  (it is this one's alone, and its consumer says what becomes of it)
        return error


class _Batch:
    """Runs as they are once what was decided of them so far is appended."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._runs: dict[UUID, tuple[Run, Metadata] | None] = {}
        self.events: list[NewEvent] = []

    def answer(self, question: Question) -> list[Decision]:
        """What follows from one, with those before it. Raises what makes it senseless."""
        run_id = question.run_id
        if run_id not in self._runs:
            self._runs[run_id] = load_run(self._connection, run_id)
        found = self._runs[run_id]
        if found is None:
            raise RejectedError(f"there is no run {run_id}")
        run, metadata = found
        decisions = question.decide(run)
        if decisions:
            self.events += _chained(run, metadata, decisions)
            now = reduce(evolve, (each.event for each in decisions), run)
            self._runs[run_id] = now, metadata.model_copy(update={"causation_id": decisions[-1].id})
        return decisions
