"""How each event changes what the orchestrator knows: which jobs wait, which were requested, how long such jobs take.

What is owed by the scorer, the times of challenges, and pools, are in `owed`, `challenge_times` and `pools`.

The tables only help to decide whose turn it is. What was decided is in the ledger; they can be dropped and made anew.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from services.orchestrator import challenge_times, owed
from services.orchestrator.jobs import FIRST
from services.orchestrator.pools import POOL_HANDLERS
from services.orchestrator.tables import CHALLENGES, DURATIONS, JOBS, RUNS, TURNS
from shared.database import sql
from shared.events import (
    ChallengeClosed,
    ChallengeCreated,
    ChallengeOpened,
    CodeOpened,
    FoldRequested,
    FoldsShared,
    FoldTrained,
    Outcome,
    PreparationRequested,
    ProblemPreparationFailed,
    ProblemPrepared,
    ProblemPublished,
    RecordedEvent,
    RequestReturned,
    RunReproduced,
    RunRequested,
    ScoreComputed,
    ScoringFailed,
    ScoringRequested,
    SubmissionUploaded,
    SubmissionWithdrawn,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)
from shared.ledger import Handlers, ReadModel, Rows
from shared.runs import run_id_of

#: Weight of the newest job in the mean of how long they take: the last ten or so count.
_NEWEST_WEIGHT = 0.2
#: More than any position.
_AFTER_UPLOADS = 2**62
_OVERTAKE = sql(
    "UPDATE jobs SET overtaken_at = :at FROM runs WHERE jobs.run_id = runs.run_id AND runs.pool = :pool"
    " AND jobs.requested_at < :requested_at AND jobs.started_at IS NULL AND jobs.overtaken_at IS NULL"
)

Run = Mapping[str, Any]


def when_challenge_created(rows: Rows, event: ChallengeCreated, _recorded: RecordedEvent) -> None:
    """Remember what its teams see of their logs, and when it opens and closes."""
    challenge_times.when_challenge_created(rows, event)
    rows.insert(CHALLENGES, challenge_id=event.challenge_id, log_policy=event.log_policy)


def when_submission_uploaded(rows: Rows, event: SubmissionUploaded, recorded: RecordedEvent) -> None:
    """Its first run waits."""
    _add_run(rows, run_id_of(event.submission_id), event, recorded, age=recorded.position)


def when_run_requested(rows: Rows, event: RunRequested, recorded: RecordedEvent) -> None:
    """Another run of it waits, behind everything that its team hands in: the organiser wanted it, the team waits for its own."""
    _add_run(rows, event.run_id, event, recorded, age=_AFTER_UPLOADS + recorded.position)


def _add_run(rows: Rows, run_id: UUID, event: SubmissionUploaded | RunRequested, recorded: RecordedEvent, *, age: int) -> None:
    rows.insert(
        RUNS,
        run_id=run_id,
        submission_id=event.submission_id,
        challenge_id=event.challenge_id,
        team_id=event.team_id,
        pool=event.pool,
        age=age,
        time_limit_s=event.limits.time_limit_s,
        last_fact_at=recorded.recorded_at,
    )
    _add_job(rows, run_id, FIRST, recorded)


def when_requested(rows: Rows, event: TrainingRequested | FoldRequested, recorded: RecordedEvent) -> None:
    """It is in the pool's queue, and its team has had a turn."""
    fold = event.fold if isinstance(event, FoldRequested) else FIRST
    rows.update(
        JOBS,
        (event.run_id, fold),
        attempt=event.attempt,
        requested_at=recorded.recorded_at,
        started_at=None,
        overtaken_at=None,
    )
    run = _note(rows, event.run_id, recorded, n_folds=event.n_folds)
    if run is not None:
        rows.put(TURNS, (run["pool"], run["challenge_id"], run["team_id"]), position=recorded.position)


def when_training_started(rows: Rows, event: TrainingStarted, recorded: RecordedEvent) -> None:
    """It is on a trainer, and what was requested of its queue before it should be too."""
    run = _note(rows, event.run_id, recorded)
    key = (event.run_id, FIRST if event.fold is None else event.fold)
    job = rows.get(JOBS, key)
    # Not the start of an earlier attempt, which a trainer that was cut off tells late.
    if run is None or job is None or job["attempt"] != event.attempt or job["requested_at"] is None:
        return
    overtaking = {"at": recorded.recorded_at, "pool": run["pool"], "requested_at": job["requested_at"]}
    rows.execute(_OVERTAKE, overtaking, changes=(JOBS,))
    rows.update(JOBS, key, started_at=recorded.recorded_at, overtaken_at=None)


def when_request_returned(rows: Rows, event: RequestReturned, recorded: RecordedEvent) -> None:
    """It waits again."""
    key = (event.run_id, FIRST if event.fold is None else event.fold)
    rows.update(JOBS, key, requested_at=None, started_at=None, overtaken_at=None, waiting_since=recorded.recorded_at)
    _note(rows, event.run_id, recorded)


def when_folds_shared(rows: Rows, event: FoldsShared, recorded: RecordedEvent) -> None:
    """Each of these folds waits. The first request is done, unless its trainer still has fold 0."""
    run = _note(rows, event.run_id, recorded, is_shared=True)
    # A run that was withdrawn meanwhile has no row, and so no jobs.
    if run is None:
        return
    if run["has_fold_0"] or 0 in event.folds:
        _finish_job(rows, run, FIRST, recorded)
    for fold in event.folds:
        _add_job(rows, event.run_id, fold, recorded)


def when_fold_trained(rows: Rows, event: FoldTrained, recorded: RecordedEvent) -> None:
    """If it was a job of its own, it is done; and so is the first request, if this was all that was left of it."""
    run = _note(rows, event.run_id, recorded, **({"has_fold_0": True} if event.fold == 0 else {}))
    if run is None or not run["is_shared"]:
        return
    _finish_job(rows, run, event.fold, recorded)
    if run["has_fold_0"]:
        _finish_job(rows, run, FIRST, recorded)


def when_over(rows: Rows, event: TrainingFinished | SubmissionWithdrawn, recorded: RecordedEvent) -> None:
    """Nothing of the run waits any more. A trained one is owed a score."""
    if isinstance(event, TrainingFinished) and event.outcome is Outcome.TRAINED:
        owed.when_trained(rows, event, recorded)
    run = rows.get(RUNS, (event.run_id,))
    if run is None:
        return
    if isinstance(event, TrainingFinished):
        _finish_job(rows, run, FIRST, recorded)
    folds = range(run["n_folds"] or 0) if run["is_shared"] else ()
    for fold in (FIRST, *folds):
        rows.delete(JOBS, (event.run_id, fold))
    rows.delete(RUNS, (event.run_id,))


def _note(rows: Rows, run_id: UUID, recorded: RecordedEvent, **values: Any) -> Run | None:
    """Something was recorded of this run. Returns it as it is now; None if it is over."""
    rows.update(RUNS, (run_id,), last_fact_at=recorded.recorded_at, **values)
    return rows.get(RUNS, (run_id,))


def _add_job(rows: Rows, run_id: UUID, fold: int, recorded: RecordedEvent) -> None:
    rows.insert(JOBS, run_id=run_id, fold=fold, waiting_since=recorded.recorded_at)


def _finish_job(rows: Rows, run: Run, fold: int, recorded: RecordedEvent) -> None:
    """Remove a job, and take its time into the mean if it had begun."""
    key = (run["run_id"], fold)
    job = rows.get(JOBS, key)
    if job is None:
        return
    rows.delete(JOBS, key)
    if job["started_at"] is None:
        return
    seconds = (recorded.recorded_at - job["started_at"]).total_seconds()
    of_such = (run["challenge_id"], fold != FIRST)
    mean = rows.get(DURATIONS, of_such)
    if mean is not None:
        seconds = mean["seconds"] + _NEWEST_WEIGHT * (seconds - mean["seconds"])
    rows.put(DURATIONS, of_such, seconds=seconds)


HANDLERS: Handlers = {
    **POOL_HANDLERS,
    ChallengeCreated: when_challenge_created,
    SubmissionUploaded: when_submission_uploaded,
    RunRequested: when_run_requested,
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
    RunReproduced: owed.when_scoring_ended,
    ScoringFailed: owed.when_scoring_ended,
}

READ_MODEL = ReadModel(
    "orchestrator",
    Path(__file__).parent / "migrations",
    HANDLERS,
    own_tables=frozenset({"dead_letters"}),
)
