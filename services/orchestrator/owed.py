"""What the scorer owes: published problems of which nothing came yet, and trained runs without a score. Tables of the projection."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from shared.events import (
    PreparationRequested,
    ProblemPreparationFailed,
    ProblemPrepared,
    ProblemPublished,
    RecordedEvent,
    ScoreComputed,
    ScoringFailed,
    ScoringRequested,
    TrainingFinished,
)


@dataclass(frozen=True)
class Owed:
    """Something that was asked for, `attempt` times again, the last time at `asked_at`."""

    asked_at: datetime
    attempt: int

    def again_at(self, after_s: float) -> datetime:
        """When it is to be asked for again: twice as long after each time that did not help."""
        return self.asked_at + timedelta(seconds=after_s * 2**self.attempt)


@dataclass(frozen=True)
class OwedPreparation(Owed):
    """A published version of a problem."""

    problem_id: str
    version: int


@dataclass(frozen=True)
class OwedScore(Owed):
    """A trained run."""

    run_id: UUID
    submission_id: UUID


def owed_preparations(connection: Connection) -> list[OwedPreparation]:
    """All, those that were asked for longest ago first."""
    rows = connection.execute(text("SELECT asked_at, attempt, problem_id, version FROM owed_preparations ORDER BY asked_at"))
    return [OwedPreparation(**row._mapping) for row in rows]  # noqa: SLF001  (SQLAlchemy's public name)


def owed_scores(connection: Connection) -> list[OwedScore]:
    """All, those that were asked for longest ago first."""
    rows = connection.execute(text("SELECT asked_at, attempt, run_id, submission_id FROM owed_scores ORDER BY asked_at"))
    return [OwedScore(**row._mapping) for row in rows]  # noqa: SLF001  (SQLAlchemy's public name)


def when_published(connection: Connection, event: ProblemPublished, recorded: RecordedEvent) -> None:
    """Its preparation is owed."""
    connection.execute(
        text("INSERT INTO owed_preparations VALUES (:problem_id, :version, :at)"),
        {"problem_id": event.problem_id, "version": event.version, "at": recorded.recorded_at},
    )


def when_preparation_requested(connection: Connection, event: PreparationRequested, recorded: RecordedEvent) -> None:
    """It was asked for again."""
    connection.execute(
        text(
            "UPDATE owed_preparations SET asked_at = :at, attempt = :attempt WHERE problem_id = :problem_id AND version = :version"
        ),
        {"at": recorded.recorded_at, "attempt": event.attempt, "problem_id": event.problem_id, "version": event.version},
    )


def when_preparation_ended(
    connection: Connection, event: ProblemPrepared | ProblemPreparationFailed, _recorded: RecordedEvent
) -> None:
    """Nothing is owed of it."""
    statement = text("DELETE FROM owed_preparations WHERE problem_id = :problem_id AND version = :version")
    connection.execute(statement, {"problem_id": event.problem_id, "version": event.version})


def when_trained(connection: Connection, event: TrainingFinished, recorded: RecordedEvent) -> None:
    """Its score is owed."""
    connection.execute(
        text("INSERT INTO owed_scores VALUES (:run_id, :submission_id, :at)"),
        {"run_id": event.run_id, "submission_id": event.submission_id, "at": recorded.recorded_at},
    )


def when_scoring_requested(connection: Connection, event: ScoringRequested, recorded: RecordedEvent) -> None:
    """It was asked for again."""
    connection.execute(
        text("UPDATE owed_scores SET asked_at = :at, attempt = :attempt WHERE run_id = :run_id"),
        {"at": recorded.recorded_at, "attempt": event.attempt, "run_id": event.run_id},
    )


def when_scoring_ended(connection: Connection, event: ScoreComputed | ScoringFailed, _recorded: RecordedEvent) -> None:
    """Nothing is owed of it."""
    connection.execute(text("DELETE FROM owed_scores WHERE run_id = :run_id"), {"run_id": event.run_id})
