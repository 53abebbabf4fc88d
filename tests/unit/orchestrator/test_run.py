"""What follows from trainers' reports, whatever they say and in whatever order."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.run import Run, SenselessReportError, decide, fold_events
from shared.bus.reports import FailedReport, FoldTrainedReport, StartedReport
from shared.events import Event, FoldLimits, FoldTrained, FoldUsage, Outcome, TrainingFinished, TrainingRequested, TrainingStarted

RUN, SUBMISSION = uuid4(), uuid4()
EXECUTIONS = [uuid4() for _ in range(5)]
N_FOLDS = 3
MAX_ATTEMPTS = 3
USAGE = FoldUsage(train_time_s=1, valid_time_s=0, test_time_s=0, peak_memory_bytes=1)
REQUEST = TrainingRequested(
    run_id=RUN,
    submission_id=SUBMISSION,
    challenge_id="iris",
    attempt=1,
    pool="default",
    bundle_digest="a" * 64,
    manifest_digest="b" * 64,
    environment_digest="c" * 64,
    n_folds=N_FOLDS,
    limits=FoldLimits.model_validate({}),
)
AnyReport = StartedReport | FoldTrainedReport | FailedReport


def started(execution: UUID = EXECUTIONS[0], attempt: int = 1) -> StartedReport:
    return StartedReport(run_id=RUN, submission_id=SUBMISSION, attempt=attempt, execution_id=execution, trainer="t")


def trained(fold: int, digest: str = "d" * 64) -> FoldTrainedReport:
    return FoldTrainedReport(
        run_id=RUN,
        submission_id=SUBMISSION,
        attempt=1,
        execution_id=EXECUTIONS[0],
        fold=fold,
        predictions_digest=digest,
        log_digest="e" * 64,
        usage=USAGE,
    )


def failed(outcome: Outcome = Outcome.TRAIN_ERROR, fold: int | None = 0) -> FailedReport:
    return FailedReport(
        run_id=RUN,
        submission_id=SUBMISSION,
        attempt=1,
        execution_id=EXECUTIONS[0],
        outcome=outcome,
        reason="because",
        fold=fold,
        traceback_digest=None,
        log_digest=None,
    )


def play(reports: list[AnyReport]) -> list[Event]:
    """The run's stream after these reports, each decided on what the stream says then."""
    stream: list[Event] = [REQUEST]
    ids: set[UUID] = set()
    for report in reports:
        run = fold_events(stream)
        assert run is not None
        decisions = decide(run, report, "default", MAX_ATTEMPTS)
        assert ids.isdisjoint(decision.id for decision in decisions), "a fact was stated twice under one id"
        ids |= {decision.id for decision in decisions}
        stream += [decision.event for decision in decisions]
    return stream


reports = st.lists(
    st.sampled_from(
        [*map(started, EXECUTIONS), *map(trained, range(N_FOLDS)), trained(1, "f" * 64), failed(), failed(Outcome.TIME_LIMIT)]
    ),
    max_size=15,
)


@given(reports)
def test_a_run_finishes_at_most_once_and_nothing_follows(reports: list[AnyReport]) -> None:
    stream = play(reports)
    finished = [number for number, event in enumerate(stream) if isinstance(event, TrainingFinished)]
    assert len(finished) <= 1
    assert not finished or finished[0] == len(stream) - 1


@given(reports)
def test_saying_everything_twice_changes_nothing(reports: list[AnyReport]) -> None:
    assert play([report for each in reports for report in (each, each)]) == play(reports)


@given(reports)
def test_a_recorded_fold_keeps_its_first_digest(reports: list[AnyReport]) -> None:
    stream = play(reports)
    folds = [event.fold for event in stream if isinstance(event, FoldTrained)]
    assert len(folds) == len(set(folds))
    match stream[-1]:
        case TrainingFinished(outcome=Outcome.TRAINED) as finished:
            recorded = {event.fold: event.predictions_digest for event in stream if isinstance(event, FoldTrained)}
            assert finished.predictions_digests == tuple(recorded[fold] for fold in range(N_FOLDS))


@given(st.permutations(range(N_FOLDS)))
def test_the_last_fold_finishes_the_run_in_whatever_order_folds_come(order: list[int]) -> None:
    stream = play([started(), *map(trained, order)])
    assert isinstance(stream[-1], TrainingFinished)
    assert stream[-1].outcome is Outcome.TRAINED


def test_machines_that_die_after_the_code_began_three_times_make_it_crashed() -> None:
    stream = play([started(execution) for execution in EXECUTIONS[:4]])
    assert [type(event) for event in stream[1:]] == [TrainingStarted] * 4 + [TrainingFinished]
    assert isinstance(stream[-1], TrainingFinished)
    assert stream[-1].outcome is Outcome.CRASHED


@pytest.mark.parametrize(
    ("report", "pool", "complaint"),
    [
        (started(), "other", "belongs to pool default"),
        (started(attempt=2), "default", "never requested"),
        (trained(N_FOLDS), "default", "has 3 folds"),
        (failed(fold=99), "default", "has 3 folds"),
        (failed(Outcome.TRAINED), "default", "can't report trained"),
        (failed(Outcome.WITHDRAWN), "default", "can't report withdrawn"),
        (started().model_copy(update={"submission_id": uuid4()}), "default", "is of submission"),
    ],
)
def test_a_senseless_report_is_refused_with_the_reason(report: AnyReport, pool: str, complaint: str) -> None:
    with pytest.raises(SenselessReportError, match=complaint):
        decide(Run(request=REQUEST, version=1), report, pool, MAX_ATTEMPTS)


def test_a_stream_without_a_request_is_no_run() -> None:
    assert fold_events([]) is None
