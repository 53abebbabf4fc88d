"""Requesting the jobs whose turn has come: `TrainingRequested` and `FoldRequested`.

Under faults: the tables are only read here; what is requested is appended, and the projection takes it in like any event. Two
orchestrators, or one that read its tables before its own last append was in them, choose the same jobs: the ids are derived
and the streams' versions expected, so the later one appends nothing and looks again.

Of a pool that is paused or drained nothing is requested, from when the tables know it: what was requested in the moment before that
goes on, or comes back.
"""

from collections.abc import Sequence
from typing import TypedDict

from sqlalchemy import Connection, Engine, text

from services.orchestrator.jobs import TrackedJob, log_policy_of, tracked_jobs, turns_of
from services.orchestrator.order import Job, next_jobs
from services.orchestrator.pools import is_open
from services.orchestrator.run import Run
from services.orchestrator.runs import load_run
from shared.events import FoldRequested, LogPolicy, ProblemPrepared, RunRequested, SubmissionUploaded, TrainingRequested
from shared.faults import fault_point
from shared.ledger import ConflictError, DuplicateEventError, NewEvent, append, derived_id
from shared.prepared_problems import find_prepared
from shared.runs import find_asked, is_reproduction
from shared.telemetry import get_logger

log = get_logger(__name__)


def release(engine: Engine, pool: str, slots: int) -> int:
    """Request what fits into a pool with so many slots; returns how many jobs that were, 0 also if another was quicker."""
    try:
        with engine.begin() as connection:
            # Nobody takes anything into these tables, or releases, until this is done.
            connection.execute(text("SELECT FROM checkpoint FOR UPDATE"))
            events: list[NewEvent] = []
            for each in _chosen(connection, pool, slots):
                earlier = sum(event.event.stream == f"run-{each.job.run_id}" for event in events)
                request = _request(connection, each, earlier)
                events += [] if request is None else [request]
            if events:
                append(connection, events)
    except (ConflictError, DuplicateEventError):
        return 0
    if events:
        fault_point("orchestrator", "released")
    return len(events)


def _chosen(connection: Connection, pool: str, slots: int) -> Sequence[TrackedJob]:
    if not is_open(connection, pool):
        return ()
    jobs = {each.job: each for each in tracked_jobs(connection, pool)}
    waiting = [job for job, each in jobs.items() if each.requested_at is None]
    if not waiting:
        return ()
    under_way = [job for job, each in jobs.items() if each.requested_at is not None]
    return [jobs[job] for job in next_jobs(waiting, under_way, turns_of(connection, pool), slots)]


def _request(connection: Connection, tracked: TrackedJob, earlier: int) -> NewEvent | None:
    """What requests a job; `earlier` events of its run are appended before it."""
    job, attempt = tracked.job, tracked.attempt + 1
    found = load_run(connection, job.run_id)
    if found is None:
        return _first_request(connection, job)
    run, metadata = found
    if run.finished is not None:
        # The tables will hear of it.
        return None
    event = _again(run, job, attempt)
    return NewEvent(event, metadata, run.version + earlier, id=derived_id(job.run_id, *_named(job), "requested", attempt))


def _named(job: Job) -> tuple[object, ...]:
    return () if job.fold is None else (job.fold,)


def _again(run: Run, job: Job, attempt: int) -> TrainingRequested | FoldRequested:
    if job.fold is None:
        return run.request.model_copy(update={"attempt": attempt})
    return FoldRequested.model_validate({**run.request.model_dump(), "attempt": attempt, "fold": job.fold})


def _first_request(connection: Connection, job: Job) -> NewEvent | None:
    found = find_asked(connection, job.submission_id, job.run_id)
    if found is None:
        raise LookupError(f"the stream of submission {job.submission_id} asks for no run {job.run_id}")
    recorded, asked, submission = found
    files = _files_of(connection, asked)
    if files is None:
        # ingest takes submissions only for prepared problems, which it knows from this same ledger.
        log.error("problem_not_prepared", submission_id=str(job.submission_id), problem=asked.problem_id)
        return None
    # A reproduction is nobody's news.
    shows_logs = log_policy_of(connection, job.challenge_id) is LogPolicy.FULL and not is_reproduction(asked)
    request = TrainingRequested(
        run_id=job.run_id,
        submission_id=job.submission_id,
        challenge_id=job.challenge_id,
        attempt=1,
        pool=asked.pool,
        bundle_digest=submission.bundle_digest,
        limits=asked.limits,
        live_log_bytes=asked.limits.log_limit_bytes if shows_logs else 0,
        **files,
    )
    # Version 0: a withdrawal that comes first is the first event of this stream, and this one is then refused.
    return NewEvent(request, recorded.metadata.caused_by(recorded), 0, id=derived_id(job.run_id, "requested", 1))


class _Files(TypedDict):
    manifest_digest: str
    environment_digest: str
    n_folds: int


def _files_of(connection: Connection, asked: SubmissionUploaded | RunRequested) -> _Files | None:
    """What it is trained on: the problem's version that it asks for; for a reproduction, what the run before had."""
    found: TrainingRequested | ProblemPrepared | None
    if isinstance(asked, RunRequested) and asked.of_run_id is not None:
        before = load_run(connection, asked.of_run_id)
        found = before[0].request if before else None
    else:
        found = find_prepared(connection, asked.problem_id, asked.problem_version)
    if found is None:
        return None
    return _Files(manifest_digest=found.manifest_digest, environment_digest=found.environment_digest, n_folds=found.n_folds)
