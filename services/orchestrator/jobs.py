"""Which jobs wait, which were requested, and how long such jobs take: questions to the tables of the projection."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from services.orchestrator.order import Job, Turns
from shared.database import sql
from shared.events import (
    LogPolicy,
)

#: What stands for "no fold" in the tables: a primary key holds no null.
FIRST = -1


@dataclass(frozen=True)
class TrackedJob:
    """A job with its times. It waits while `requested_at` is None; `attempt` counts how often it was requested."""

    job: Job
    attempt: int
    waiting_since: datetime
    requested_at: datetime | None
    started_at: datetime | None
    #: When a later request of the same queue was begun before this one.
    overtaken_at: datetime | None = None
    #: What its time limits allow, in seconds from its start: of one fold, or of all of the run's. None if that is not known.
    longest_s: float | None = None


def pools_with_jobs(connection: Connection) -> list[str]:
    """The pools that have anything to do."""
    rows = connection.execute(sql("SELECT DISTINCT pool FROM runs JOIN jobs USING (run_id) ORDER BY 1"))
    return list(rows.scalars())


def tracked_jobs(connection: Connection, pool: str) -> list[TrackedJob]:
    """Every job of a pool that is not done."""
    statement = sql("SELECT * FROM jobs JOIN runs USING (run_id) WHERE pool = :pool")
    return [_tracked(row) for row in connection.execute(statement, {"pool": pool})]


def requested_jobs(connection: Connection) -> list[TrackedJob]:
    """Every job of any pool that is requested and not done."""
    return [
        _tracked(row)
        for row in connection.execute(sql("SELECT * FROM jobs JOIN runs USING (run_id) WHERE requested_at IS NOT NULL"))
    ]


def turns_of(connection: Connection, pool: str) -> Turns:
    """When whom was served."""
    statement = sql("SELECT challenge_id, team_id, position FROM turns WHERE pool = :pool")
    return Turns({(row.challenge_id, row.team_id): row.position for row in connection.execute(statement, {"pool": pool})})


def mean_durations(connection: Connection) -> dict[tuple[str, bool], float]:
    """Seconds that a job takes once begun, by challenge and whether it is a shared fold."""
    rows = connection.execute(sql("SELECT challenge_id, is_shared_fold, seconds FROM durations"))
    return {(row.challenge_id, row.is_shared_fold): row.seconds for row in rows}


def log_policy_of(connection: Connection, challenge_id: str) -> LogPolicy:
    """What a challenge's teams see of their logs."""
    statement = sql("SELECT log_policy FROM challenges WHERE challenge_id = :challenge_id")
    return LogPolicy(connection.execute(statement, {"challenge_id": challenge_id}).scalar_one())


def _tracked(row: Row[Any]) -> TrackedJob:
    fold = None if row.fold == FIRST else row.fold
    job = Job(row.run_id, fold, row.submission_id, row.challenge_id, row.team_id, row.age)
    # What the first request still does, once the other folds are shared, is fold 0.
    n_folds = 1 if fold is not None or row.is_shared else row.n_folds
    longest_s = None if row.time_limit_s is None or n_folds is None else n_folds * row.time_limit_s
    return TrackedJob(job, row.attempt, row.waiting_since, row.requested_at, row.started_at, row.overtaken_at, longest_s)
