"""The orchestrator's tables: which jobs wait, which were requested, and how long such jobs take. A projection of the ledger.

What is owed by the scorer, and the times of challenges, are in `owed` and `challenge_times`.

They only help to decide whose turn it is. What was decided is in the ledger; these tables can be dropped and made anew.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from services.orchestrator import challenge_times, owed
from services.orchestrator.order import Job, Turns
from services.orchestrator.pools import POOL_HANDLERS
from shared.database import sql
from shared.events import (
    ChallengeClosed,
    ChallengeCreated,
    ChallengeOpened,
    CodeOpened,
    Event,
    FoldRequested,
    FoldsShared,
    FoldTrained,
    LogPolicy,
    Outcome,
    PreparationRequested,
    ProblemPreparationFailed,
    ProblemPrepared,
    ProblemPublished,
    RecordedEvent,
    RequestReturned,
    ScoreComputed,
    ScoringFailed,
    ScoringRequested,
    SubmissionUploaded,
    SubmissionWithdrawn,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)
from shared.ledger import Handlers, ReadModel
from shared.runs import run_id_of

#: What stands for "no fold" in the tables: a primary key holds no null.
_FIRST = -1
#: Weight of the newest job in the mean of how long they take: the last ten or so count.
_NEWEST_WEIGHT = 0.2


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
    fold = None if row.fold == _FIRST else row.fold
    job = Job(row.run_id, fold, row.submission_id, row.challenge_id, row.team_id, row.age)
    # What the first request still does, once the other folds are shared, is fold 0.
    n_folds = 1 if fold is not None or row.is_shared else row.n_folds
    longest_s = None if row.time_limit_s is None or n_folds is None else n_folds * row.time_limit_s
    return TrackedJob(job, row.attempt, row.waiting_since, row.requested_at, row.started_at, row.overtaken_at, longest_s)


def when_challenge_created(connection: Connection, event: ChallengeCreated, _recorded: RecordedEvent) -> None:
    """Remember what its teams see of their logs, and when it opens and closes."""
    challenge_times.when_challenge_created(connection, event)
    statement = "INSERT INTO challenges VALUES (:challenge_id, :log_policy)"
    connection.execute(sql(statement), {"challenge_id": event.challenge_id, "log_policy": event.log_policy})


def when_submission_uploaded(connection: Connection, event: SubmissionUploaded, recorded: RecordedEvent) -> None:
    """Its run waits."""
    run = {
        "run_id": run_id_of(event.submission_id),
        "submission_id": event.submission_id,
        "challenge_id": event.challenge_id,
        "team_id": event.team_id,
        "pool": event.pool,
        "age": recorded.position,
        "time_limit_s": event.limits.time_limit_s,
        "at": recorded.recorded_at,
    }
    connection.execute(
        sql(
            "INSERT INTO runs (run_id, submission_id, challenge_id, team_id, pool, age, time_limit_s, last_fact_at)"
            " VALUES (:run_id, :submission_id, :challenge_id, :team_id, :pool, :age, :time_limit_s, :at)"
        ),
        run,
    )
    _add_job(connection, run["run_id"], _FIRST, recorded)


def when_requested(connection: Connection, event: TrainingRequested | FoldRequested, recorded: RecordedEvent) -> None:
    """It is in the pool's queue, and its team has had a turn."""
    job = {"run_id": event.run_id, "fold": _fold_of(event)}
    connection.execute(
        sql(
            "UPDATE jobs SET attempt = :attempt, requested_at = :at, started_at = NULL, overtaken_at = NULL"
            " WHERE run_id = :run_id AND fold = :fold"
        ),
        {**job, "attempt": event.attempt, "at": recorded.recorded_at},
    )
    connection.execute(
        sql("UPDATE runs SET n_folds = :n_folds WHERE run_id = :run_id"), {"run_id": event.run_id, "n_folds": event.n_folds}
    )
    _note(connection, event.run_id, recorded)
    connection.execute(
        sql(
            "INSERT INTO turns SELECT pool, challenge_id, team_id, :position FROM runs"
            " WHERE run_id = :run_id ON CONFLICT (pool, challenge_id, team_id) DO UPDATE SET position = excluded.position"
        ),
        {"run_id": event.run_id, "position": recorded.position},
    )


def when_training_started(connection: Connection, event: TrainingStarted, recorded: RecordedEvent) -> None:
    """It is on a trainer, and what was requested of its queue before it should be too."""
    fold = _FIRST if event.fold is None else event.fold
    job = {"run_id": event.run_id, "fold": fold, "attempt": event.attempt, "at": recorded.recorded_at}
    connection.execute(
        sql(
            "WITH begun AS (SELECT pool, requested_at FROM jobs JOIN runs USING (run_id)"
            " WHERE run_id = :run_id AND fold = :fold AND attempt = :attempt)"
            " UPDATE jobs SET overtaken_at = :at FROM runs, begun WHERE jobs.run_id = runs.run_id AND runs.pool = begun.pool"
            " AND jobs.requested_at < begun.requested_at AND jobs.started_at IS NULL AND jobs.overtaken_at IS NULL"
        ),
        job,
    )
    # Not the start of an earlier attempt, which a trainer that was cut off tells late.
    connection.execute(
        sql(
            "UPDATE jobs SET started_at = :at, overtaken_at = NULL WHERE run_id = :run_id AND fold = :fold"
            " AND attempt = :attempt AND requested_at IS NOT NULL"
        ),
        job,
    )
    _note(connection, event.run_id, recorded)


def when_request_returned(connection: Connection, event: RequestReturned, recorded: RecordedEvent) -> None:
    """It waits again."""
    connection.execute(
        sql(
            "UPDATE jobs SET requested_at = NULL, started_at = NULL, overtaken_at = NULL, waiting_since = :at"
            " WHERE run_id = :run_id AND fold = :fold"
        ),
        {"run_id": event.run_id, "fold": _FIRST if event.fold is None else event.fold, "at": recorded.recorded_at},
    )
    _note(connection, event.run_id, recorded)


def when_folds_shared(connection: Connection, event: FoldsShared, recorded: RecordedEvent) -> None:
    """Each of these folds waits. The first request is done, unless its trainer still has fold 0."""
    if _note(connection, event.run_id, recorded, is_shared=True) or 0 in event.folds:
        _finish_job(connection, event.run_id, _FIRST, recorded)
    for fold in event.folds:
        _add_job(connection, event.run_id, fold, recorded)


def when_fold_trained(connection: Connection, event: FoldTrained, recorded: RecordedEvent) -> None:
    """If it was a job of its own, it is done; and so is the first request, if this was all that was left of it."""
    _finish_job(connection, event.run_id, event.fold, recorded)
    if _note(connection, event.run_id, recorded, has_fold_0=event.fold == 0):
        _finish_job(connection, event.run_id, _FIRST, recorded)


def when_over(connection: Connection, event: TrainingFinished | SubmissionWithdrawn, recorded: RecordedEvent) -> None:
    """Nothing of the run waits any more. A trained one is owed a score."""
    if isinstance(event, TrainingFinished):
        _finish_job(connection, event.run_id, _FIRST, recorded)
        if event.outcome is Outcome.TRAINED:
            owed.when_trained(connection, event, recorded)
    connection.execute(sql("DELETE FROM runs WHERE run_id = :run_id"), {"run_id": event.run_id})


def _note(
    connection: Connection, run_id: UUID, recorded: RecordedEvent, *, is_shared: bool = False, has_fold_0: bool = False
) -> bool:
    """Something was recorded of this run; returns whether its first request is done: once folds are shared, it is fold 0 alone."""
    statement = sql(
        "UPDATE runs SET last_fact_at = :at, is_shared = is_shared OR :is_shared, has_fold_0 = has_fold_0 OR :has_fold_0"
        " WHERE run_id = :run_id RETURNING is_shared AND has_fold_0"
    )
    values = {"run_id": run_id, "at": recorded.recorded_at, "is_shared": is_shared, "has_fold_0": has_fold_0}
    # A run that was withdrawn meanwhile has no row.
    return bool(connection.execute(statement, values).scalar_one_or_none())


def _fold_of(event: Event) -> int:
    return event.fold if isinstance(event, FoldRequested) else _FIRST


def _add_job(connection: Connection, run_id: object, fold: int, recorded: RecordedEvent) -> None:
    # A run that was withdrawn meanwhile has no row, and so no jobs.
    connection.execute(
        sql("INSERT INTO jobs (run_id, fold, waiting_since) SELECT run_id, :fold, :at FROM runs WHERE run_id = :run_id"),
        {"run_id": run_id, "fold": fold, "at": recorded.recorded_at},
    )


def _finish_job(connection: Connection, run_id: UUID, fold: int, recorded: RecordedEvent) -> None:
    """Remove a job, and take its time into the mean if it had begun."""
    done = connection.execute(
        sql("DELETE FROM jobs WHERE run_id = :run_id AND fold = :fold RETURNING started_at"),
        {"run_id": run_id, "fold": fold},
    ).one_or_none()
    if done is None or done.started_at is None:
        return
    connection.execute(
        sql(
            "INSERT INTO durations AS d SELECT challenge_id, :is_shared_fold, :seconds FROM runs"
            " WHERE run_id = :run_id ON CONFLICT (challenge_id, is_shared_fold)"
            " DO UPDATE SET seconds = d.seconds + :weight * (excluded.seconds - d.seconds)"
        ),
        {
            "run_id": run_id,
            "is_shared_fold": fold != _FIRST,
            "seconds": (recorded.recorded_at - done.started_at).total_seconds(),
            "weight": _NEWEST_WEIGHT,
        },
    )


HANDLERS: Handlers = {
    **POOL_HANDLERS,
    ChallengeCreated: when_challenge_created,
    SubmissionUploaded: when_submission_uploaded,
    TrainingRequested: when_requested,
    FoldRequested: when_requested,
    TrainingStarted: when_training_started,
    RequestReturned: when_request_returned,
    FoldsShared: when_folds_shared,
    FoldTrained: when_fold_trained,
    TrainingFinished: when_over,
    SubmissionWithdrawn: when_over,
    ChallengeOpened: challenge_times.when_moment_came,
    CodeOpened: challenge_times.when_moment_came,
    ChallengeClosed: challenge_times.when_moment_came,
    ProblemPublished: owed.when_published,
    PreparationRequested: owed.when_preparation_requested,
    ProblemPrepared: owed.when_preparation_ended,
    ProblemPreparationFailed: owed.when_preparation_ended,
    ScoringRequested: owed.when_scoring_requested,
    ScoreComputed: owed.when_scoring_ended,
    ScoringFailed: owed.when_scoring_ended,
}

READ_MODEL = ReadModel(
    "orchestrator",
    Path(__file__).parent / "migrations",
    HANDLERS,
    own_tables=frozenset({"dead_letters"}),
)
