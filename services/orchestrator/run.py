"""A run: its state, folded from its events, and what follows from a report. Pure: no clock, no database, no broker."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from uuid import UUID

from shared.bus.reports import FailedReport, FoldTrainedReport, StartedReport
from shared.events import Event, FoldTrained, Outcome, TrainingFinished, TrainingRequested, TrainingStarted
from shared.ledger import derived_id


class SenselessReportError(Exception):
    """A report that no honest trainer sends; the text says what is wrong with it."""


@dataclass(frozen=True)
class Run:
    """One training of a submission, as its stream says. `version` is the stream's."""

    request: TrainingRequested
    version: int
    executions: frozenset[UUID] = frozenset()
    #: Digest of each recorded fold's predictions.
    folds: Mapping[int, str] = field(default_factory=dict)
    finished: TrainingFinished | None = None


def fold_events(events: Iterable[Event]) -> Run | None:
    """The run that a stream's events describe; None for an empty stream."""
    return reduce(_evolve, events, None)


def _evolve(run: Run | None, event: Event) -> Run | None:
    if run is None:
        return Run(request=event, version=1) if isinstance(event, TrainingRequested) else None
    run = replace(run, version=run.version + 1)
    match event:
        case TrainingRequested():
            return replace(run, request=event)
        case TrainingStarted():
            return replace(run, executions=run.executions | {event.execution_id})
        case FoldTrained():
            return replace(run, folds={**run.folds, event.fold: event.predictions_digest})
        case TrainingFinished():
            return replace(run, finished=event)
        case _:
            return run


@dataclass(frozen=True)
class Decision:
    """An event that follows, with the id that makes stating it twice one fact."""

    event: Event
    id: UUID


def decide(
    run: Run, report: StartedReport | FoldTrainedReport | FailedReport, reported_by_pool: str, max_attempts: int
) -> list[Decision]:
    """What follows from a report; nothing from one that is late or known already. Raises `SenselessReportError`."""
    _check(run, report, reported_by_pool)
    if run.finished is not None:
        return []
    match report:
        case StartedReport():
            return _when_started(run, report, max_attempts)
        case FoldTrainedReport():
            return _when_fold_trained(run, report)
        case FailedReport():
            return [_finish(run, report.outcome, report.reason, failure=report)]


def _check(run: Run, report: StartedReport | FoldTrainedReport | FailedReport, reported_by_pool: str) -> None:
    if reported_by_pool != run.request.pool:
        raise SenselessReportError(f"run {report.run_id} belongs to pool {run.request.pool}, not {reported_by_pool}")
    if report.submission_id != run.request.submission_id:
        raise SenselessReportError(f"run {report.run_id} is of submission {run.request.submission_id}")
    if report.attempt > run.request.attempt:
        raise SenselessReportError(f"attempt {report.attempt} of run {report.run_id} was never requested")
    fold = None if isinstance(report, StartedReport) else report.fold
    if fold is not None and fold >= run.request.n_folds:
        raise SenselessReportError(f"run {report.run_id} has {run.request.n_folds} folds, none is number {fold}")
    if isinstance(report, FailedReport) and report.outcome in {Outcome.TRAINED, Outcome.WITHDRAWN}:
        raise SenselessReportError(f"a trainer can't report {report.outcome} as a failure")


def _when_started(run: Run, report: StartedReport, max_attempts: int) -> list[Decision]:
    if report.execution_id in run.executions:
        return []
    started = TrainingStarted(
        run_id=report.run_id,
        submission_id=report.submission_id,
        attempt=report.attempt,
        execution_id=report.execution_id,
        trainer=report.trainer,
    )
    decisions = [Decision(started, derived_id(report.run_id, report.execution_id, "started"))]
    if len(run.executions) >= max_attempts:
        # A trainer says "started" right before the participant's first line. Machines that die each time after that die of it.
        reason = f"the machine that ran it died {len(run.executions)} times after your code had begun"
        decisions.append(_finish(run, Outcome.CRASHED, reason))
    return decisions


def _when_fold_trained(run: Run, report: FoldTrainedReport) -> list[Decision]:
    if report.fold in run.folds:
        return []
    trained = FoldTrained(
        run_id=report.run_id,
        submission_id=report.submission_id,
        attempt=report.attempt,
        fold=report.fold,
        predictions_digest=report.predictions_digest,
        log_digest=report.log_digest,
        usage=report.usage,
    )
    decisions = [Decision(trained, derived_id(report.run_id, report.fold, "fold-trained"))]
    folds = {**run.folds, report.fold: report.predictions_digest}
    if len(folds) == run.request.n_folds:
        digests = tuple(folds[fold] for fold in range(run.request.n_folds))
        decisions.append(_finish(run, Outcome.TRAINED, "", predictions_digests=digests))
    return decisions


def _finish(
    run: Run, outcome: Outcome, reason: str, *, failure: FailedReport | None = None, predictions_digests: tuple[str, ...] = ()
) -> Decision:
    finished = TrainingFinished(
        run_id=run.request.run_id,
        submission_id=run.request.submission_id,
        attempt=run.request.attempt,
        outcome=outcome,
        reason=reason,
        fold=failure.fold if failure else None,
        traceback_digest=failure.traceback_digest if failure else None,
        log_digest=failure.log_digest if failure else None,
        pool=run.request.pool,
        predictions_digests=predictions_digests,
    )
    return Decision(finished, derived_id(run.request.run_id, "finished"))
