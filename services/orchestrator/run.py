"""A run: its state, folded from its events, and what follows from a report. Pure: no clock, no database, no broker.

A run is requested as jobs: one for the run as a whole (its first fold, and if that is quick all the others), and one for each
fold that is shared. `None` stands for the first kind, a fold's number for the second. Each job has attempts of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from shared.bus.reports import AnyReport, FailedReport, FoldTrainedReport, ReturnedReport, SlowReport, StartedReport
from shared.events import (
    Event,
    FoldRequested,
    FoldsShared,
    FoldTrained,
    Outcome,
    RequestReturned,
    SubmissionWithdrawn,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)
from shared.ledger import derived_id

#: A job of a run: a shared fold, or None for the run's first request.
JobKey = int | None


class SenselessReportError(Exception):
    """A report that no honest trainer sends; the text says what is wrong with it."""


@dataclass(frozen=True)
class Run:
    """One training of a submission, as its stream says. `version` is the stream's."""

    request: TrainingRequested
    version: int
    #: How often each job was requested.
    attempts: Mapping[JobKey, int] = field(default_factory=dict)
    #: Starts of each job, without those that a trainer gave up by itself.
    executions: Mapping[JobKey, frozenset[UUID]] = field(default_factory=dict)
    #: All starts that were ever reported, with job and attempt: a report that comes again is known, and so is a late one.
    starts: Mapping[UUID, tuple[JobKey, int]] = field(default_factory=dict)
    #: The newest attempt of each job that came back, for whatever reason; and of those that took longer than they may.
    returned: Mapping[JobKey, int] = field(default_factory=dict)
    overdue: Mapping[JobKey, int] = field(default_factory=dict)
    #: How many came back because a machine failed.
    machine_failures: int = 0
    #: Folds that are, or were, jobs of their own.
    shared: frozenset[int] = frozenset()
    #: Digest of each recorded fold's predictions.
    folds: Mapping[int, str] = field(default_factory=dict)
    finished: TrainingFinished | SubmissionWithdrawn | None = None

    @property
    def missing(self) -> tuple[int, ...]:
        """The folds that are not recorded."""
        return tuple(fold for fold in range(self.request.n_folds) if fold not in self.folds)


def fold_events(events: Iterable[Event]) -> Run | None:
    """The run that a stream's events describe; None for an empty stream, and for one withdrawn before it was requested."""
    run: Run | None = None
    for event in events:
        run = _first(event) if run is None else evolve(run, event)
    return run


def _first(event: Event) -> Run | None:
    return Run(request=event, version=1, attempts={None: event.attempt}) if isinstance(event, TrainingRequested) else None


def evolve(run: Run, event: Event) -> Run:
    """The run after one event more."""
    changes: dict[str, object] = {}
    match event:
        case TrainingRequested():
            changes = {"request": event, "attempts": {**run.attempts, None: event.attempt}}
        case FoldRequested():
            changes = {"attempts": {**run.attempts, event.fold: event.attempt}}
        case FoldsShared():
            changes = {"shared": run.shared | set(event.folds)}
        case TrainingStarted():
            begun = run.executions.get(event.fold, frozenset()) | {event.execution_id}
            starts = {**run.starts, event.execution_id: (event.fold, event.attempt)}
            changes = {"executions": {**run.executions, event.fold: begun}, "starts": starts}
        case RequestReturned():
            changes = _when_returned(run, event)
        case FoldTrained():
            changes = {"folds": {**run.folds, event.fold: event.predictions_digest}}
        case TrainingFinished() | SubmissionWithdrawn():
            changes = {"finished": event}
    return replace(run, version=run.version + 1, **changes)  # type: ignore[arg-type]  # names and types as above


def _when_returned(run: Run, event: RequestReturned) -> dict[str, object]:
    given_up = frozenset() if event.execution_id is None else frozenset({event.execution_id})
    return {
        "executions": {**run.executions, event.fold: run.executions.get(event.fold, frozenset()) - given_up},
        "returned": {**run.returned, event.fold: event.attempt},
        "overdue": {**run.overdue, event.fold: event.attempt} if event.reason == "overdue" else run.overdue,
        "machine_failures": run.machine_failures + (event.reason == "machine_failed"),
    }


@dataclass(frozen=True)
class Decision:
    """An event that follows, with the id that makes stating it twice one fact."""

    event: Event
    id: UUID


def decide(run: Run, report: AnyReport, reported_by_pool: str, max_attempts: int) -> list[Decision]:
    """What follows from a report; nothing from one that is late or known already. Raises `SenselessReportError`."""
    _check(run, report, reported_by_pool)
    if run.finished is not None or _is_late(run, report):
        return []
    match report:
        case StartedReport():
            return _when_started(run, report, max_attempts)
        case FoldTrainedReport():
            return _when_fold_trained(run, report)
        case FailedReport():
            return [_finish(run, report.outcome, report.reason, failure=report)]
        case SlowReport():
            # Fold 0 is what is slow: it goes on where it is, or its own report is under way.
            return _share(run, tuple(fold for fold in run.missing if fold))
        case ReturnedReport():
            given_up = None if report.reason == "redelivered" else report.execution_id
            return return_request(run, report.shared_fold, report.attempt, given_up, report.reason, max_attempts)


def return_request(run: Run, job: JobKey, attempt: int, given_up: UUID | None, reason: str, max_attempts: int) -> list[Decision]:
    """What follows when a job that was requested is not done: it waits again, or the run has died too often."""
    # What the first request still does, once the other folds are shared, is fold 0.
    is_done = job in run.folds if job is not None else bool(run.shared) and (0 in run.folds or 0 in run.shared)
    if is_done or attempt < run.attempts.get(job, 0) or run.returned.get(job) == attempt:
        return []
    begun = run.executions.get(job, frozenset()) - {given_up}
    if len(begun) >= max_attempts:
        return [_crashed(run, len(begun))]
    if reason == "machine_failed" and run.machine_failures + 1 >= max_attempts:
        return [_finish(run, Outcome.SYSTEM_ERROR, "the machines that were to run it failed; the operators have been told")]
    returned = RequestReturned.model_validate(
        {**_about(run), "attempt": attempt, "fold": job, "execution_id": given_up, "reason": reason}
    )
    decisions = [Decision(returned, derived_id(run.request.run_id, job, attempt, "returned"))]
    if job is None and (run.folds or run.shared):
        # What is recorded is not trained again: the rest are jobs of their own from now on.
        decisions += _share(run, run.missing)
    return decisions


def _share(run: Run, folds: tuple[int, ...]) -> list[Decision]:
    new = tuple(fold for fold in folds if fold not in run.shared)
    if not new:
        return []
    # Once when they turn out to be slow; and again for fold 0, if whoever went on with it died.
    number = new if run.shared else ()
    return [
        Decision(FoldsShared.model_validate({**_about(run), "folds": new}), derived_id(run.request.run_id, "shared", *number))
    ]


def _check(run: Run, report: AnyReport, reported_by_pool: str) -> None:
    if reported_by_pool != run.request.pool:
        raise SenselessReportError(f"run {report.run_id} belongs to pool {run.request.pool}, not {reported_by_pool}")
    if report.submission_id != run.request.submission_id:
        raise SenselessReportError(f"run {report.run_id} is of submission {run.request.submission_id}")
    job = report.shared_fold if isinstance(report, StartedReport | ReturnedReport) else None
    if report.attempt > (run.attempts.get(job, 0) if job is not None else max(run.attempts.values())):
        raise SenselessReportError(f"attempt {report.attempt} of run {report.run_id} was never requested")
    fold = report.fold if isinstance(report, FoldTrainedReport | FailedReport) else None
    if fold is not None and fold >= run.request.n_folds:
        raise SenselessReportError(f"run {report.run_id} has {run.request.n_folds} folds, none is number {fold}")
    if isinstance(report, FailedReport) and report.outcome in {Outcome.TRAINED, Outcome.WITHDRAWN}:
        raise SenselessReportError(f"a trainer can't report {report.outcome} as a failure")


def _is_late(run: Run, report: AnyReport) -> bool:
    """Whether it is of an attempt that is no more.

    What such an attempt trained is as good as what the next one trains, unless it took longer than it may. That it failed says
    nothing: a trainer that was frozen, or cut off, finds its sandbox beyond its time limit.
    """
    if report.execution_id not in run.starts:
        # It ended before the participant's code was let in, so nothing that happened to the attempt since can be its reason.
        return False
    job, attempt = run.starts[report.execution_id]
    if isinstance(report, FailedReport):
        return attempt <= run.returned.get(job, 0)
    return isinstance(report, FoldTrainedReport | SlowReport) and attempt <= run.overdue.get(job, 0)


def _when_started(run: Run, report: StartedReport, max_attempts: int) -> list[Decision]:
    begun = run.executions.get(report.shared_fold, frozenset())
    if report.execution_id in run.starts:
        return []
    started = TrainingStarted(
        **_about(run),
        attempt=report.attempt,
        execution_id=report.execution_id,
        trainer=report.trainer,
        fold=report.shared_fold,
        conditions=report.conditions,
    )
    decisions = [Decision(started, derived_id(report.run_id, report.execution_id, "started"))]
    if len(begun) >= max_attempts:
        # A trainer says "started" right before the participant's first line. Machines that die each time after that die of it.
        decisions.append(_crashed(run, len(begun)))
    return decisions


def _when_fold_trained(run: Run, report: FoldTrainedReport) -> list[Decision]:
    if report.fold in run.folds:
        return []
    trained = FoldTrained(
        **_about(run),
        attempt=report.attempt,
        fold=report.fold,
        predictions_digest=report.predictions_digest,
        log_digest=report.log_digest,
        log_bytes=report.log_bytes,
        usage=report.usage,
    )
    decisions = [Decision(trained, derived_id(report.run_id, report.fold, "fold-trained"))]
    folds = {**run.folds, report.fold: report.predictions_digest}
    if len(folds) == run.request.n_folds:
        digests = tuple(folds[fold] for fold in range(run.request.n_folds))
        decisions.append(_finish(run, Outcome.TRAINED, "", predictions_digests=digests))
    return decisions


def _crashed(run: Run, deaths: int) -> Decision:
    return _finish(run, Outcome.CRASHED, f"the machine that ran it died {deaths} times after your code had begun")


def _finish(
    run: Run, outcome: Outcome, reason: str, *, failure: FailedReport | None = None, predictions_digests: tuple[str, ...] = ()
) -> Decision:
    finished = TrainingFinished(
        **_about(run),
        attempt=run.request.attempt,
        outcome=outcome,
        reason=reason,
        fold=failure.fold if failure else None,
        traceback_digest=failure.traceback_digest if failure else None,
        log_digest=failure.log_digest if failure else None,
        log_bytes=failure.log_bytes if failure else None,
        pool=run.request.pool,
        predictions_digests=predictions_digests,
    )
    return Decision(finished, derived_id(run.request.run_id, "finished"))


def _about(run: Run) -> dict[str, UUID]:
    return {"run_id": run.request.run_id, "submission_id": run.request.submission_id}
