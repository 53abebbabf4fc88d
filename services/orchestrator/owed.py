"""What the scorer owes: published problems of which nothing came yet, and trained runs without a score. Tables of the projection."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, text

from services.orchestrator.tables import OWED_PREPARATIONS, OWED_SCORES
from shared.events import (
    PreparationRequested,
    ProblemPreparationFailed,
    ProblemPrepared,
    ProblemPublished,
    RecordedEvent,
    RunReproduced,
    ScoreComputed,
    ScoringFailed,
    ScoringRequested,
    TrainingFinished,
)
from shared.ledger import Rows


@dataclass(frozen=True)
class OwedPreparation:
    """A published version of a problem, asked for again `attempt` times."""

    problem_id: str
    version: int
    attempt: int


@dataclass(frozen=True)
class OwedScore:
    """A trained run, asked for again `attempt` times."""

    run_id: UUID
    submission_id: UUID
    attempt: int


#: So many in one look; the rest come with the next.
_FIRST_ONES = "ORDER BY asked_at LIMIT 100"
#: Twice as long after each time that did not help.
_IS_DUE = "asked_at + make_interval(secs => :after_s * 2 ^ attempt) <= :now"


def due_preparations(connection: Connection, now: datetime, after_s: float, max_attempts: int) -> list[OwedPreparation]:
    """What is to be asked for (again): nothing came of it for `after_s`, and then for twice, four times as long."""
    statement = f"SELECT problem_id, version, attempt FROM owed_preparations WHERE {_IS_DUE} AND attempt < :max {_FIRST_ONES}"  # noqa: S608  (a constant)
    rows = connection.execute(text(statement), {"now": now, "after_s": after_s, "max": max_attempts})
    return [OwedPreparation(row.problem_id, row.version, row.attempt) for row in rows]


def due_scores(connection: Connection, now: datetime, after_s: float, max_attempts: int) -> list[OwedScore]:
    """The same of scores."""
    statement = f"SELECT run_id, submission_id, attempt FROM owed_scores WHERE {_IS_DUE} AND attempt < :max {_FIRST_ONES}"  # noqa: S608  (a constant)
    rows = connection.execute(text(statement), {"now": now, "after_s": after_s, "max": max_attempts})
    return [OwedScore(row.run_id, row.submission_id, row.attempt) for row in rows]


def count_given_up(
    connection: Connection, table: Literal["owed_preparations", "owed_scores"], now: datetime, after_s: float, max_attempts: int
) -> int:
    """What was asked for so often that asking does not help."""
    statement = text(f"SELECT count(*) FROM {table} WHERE {_IS_DUE} AND attempt >= :max")  # noqa: S608  (one of two tables)
    return int(connection.execute(statement, {"now": now, "after_s": after_s, "max": max_attempts}).scalar_one())


def when_published(rows: Rows, event: ProblemPublished, recorded: RecordedEvent) -> None:
    """Its preparation is owed."""
    rows.insert(OWED_PREPARATIONS, problem_id=event.problem_id, version=event.version, asked_at=recorded.recorded_at)


def when_preparation_requested(rows: Rows, event: PreparationRequested, recorded: RecordedEvent) -> None:
    """It was asked for again."""
    rows.update(OWED_PREPARATIONS, (event.problem_id, event.version), asked_at=recorded.recorded_at, attempt=event.attempt)


def when_preparation_ended(rows: Rows, event: ProblemPrepared | ProblemPreparationFailed, _recorded: RecordedEvent) -> None:
    """Nothing is owed of it."""
    rows.delete(OWED_PREPARATIONS, (event.problem_id, event.version))


def when_trained(rows: Rows, event: TrainingFinished, recorded: RecordedEvent) -> None:
    """Its score is owed."""
    rows.insert(OWED_SCORES, run_id=event.run_id, submission_id=event.submission_id, asked_at=recorded.recorded_at)


def when_scoring_requested(rows: Rows, event: ScoringRequested, recorded: RecordedEvent) -> None:
    """It was asked for again."""
    rows.update(OWED_SCORES, (event.run_id,), asked_at=recorded.recorded_at, attempt=event.attempt)


def when_scoring_ended(rows: Rows, event: ScoreComputed | RunReproduced | ScoringFailed, _recorded: RecordedEvent) -> None:
    """Nothing is owed of it."""
    rows.delete(OWED_SCORES, (event.run_id,))
