"""What follows from trainers' reports, whatever they say and in whatever order."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.run import Run, SenselessReportError, decide, fold_events, return_request
from shared.bus.reports import AnyReport, FailedReport, FoldTrainedReport, ReturnedReport, SlowReport, StartedReport
from shared.events import (
    Event,
    FoldLimits,
    FoldRequested,
    FoldsShared,
    FoldTrained,
    FoldUsage,
    Outcome,
    RequestReturned,
    SubmissionWithdrawn,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)

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
    live_log_bytes=0,
)
WITHDRAWN = SubmissionWithdrawn(
    run_id=RUN, submission_id=SUBMISSION, challenge_id="iris", user_id=uuid4(), pool="default", had_begun=True
)


def started(execution: UUID = EXECUTIONS[0], attempt: int = 1, fold: int | None = None) -> StartedReport:
    return StartedReport(
        run_id=RUN, submission_id=SUBMISSION, attempt=attempt, execution_id=execution, trainer="t", shared_fold=fold
    )


def slow() -> SlowReport:
    return SlowReport(run_id=RUN, submission_id=SUBMISSION, attempt=1, execution_id=EXECUTIONS[0])


def returned(
    reason: Literal["stopping", "redelivered", "machine_failed"] = "redelivered",
    *,
    attempt: int = 1,
    fold: int | None = None,
    execution: UUID = EXECUTIONS[0],
) -> ReturnedReport:
    about = {"run_id": RUN, "submission_id": SUBMISSION, "attempt": attempt, "execution_id": execution}
    return ReturnedReport.model_validate({**about, "shared_fold": fold, "reason": reason, "words": ""})


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


def play(reports: Sequence[AnyReport | Event]) -> list[Event]:
    """The run's stream after these reports, each decided on what the stream says then. What waits is requested at once.

    A report that makes no sense at that point changes nothing, as in the service.
    """
    stream: list[Event] = [REQUEST]
    ids: set[UUID] = set()
    for report in reports:
        if isinstance(report, Event):
            stream.append(report)
            continue
        run = fold_events(stream)
        assert run is not None
        try:
            decisions = decide(run, report, "default", MAX_ATTEMPTS)
        except SenselessReportError:
            continue
        assert ids.isdisjoint(decision.id for decision in decisions), "a fact was stated twice under one id"
        ids |= {decision.id for decision in decisions}
        stream += [decision.event for decision in decisions]
        stream += requested_next([decision.event for decision in decisions])
    return stream


def requested_next(events: list[Event]) -> list[Event]:
    """What the scheduler requests when these have happened."""
    shared = [fold for event in events if isinstance(event, FoldsShared) for fold in event.folds]
    requests: list[Event] = [fold_request(fold, 1) for fold in shared]
    if not shared and not any(isinstance(event, TrainingFinished) for event in events):
        for event in events:
            if isinstance(event, RequestReturned) and event.fold is None:
                requests.append(REQUEST.model_copy(update={"attempt": event.attempt + 1}))
            elif isinstance(event, RequestReturned) and event.fold is not None:
                requests.append(fold_request(event.fold, event.attempt + 1))
    return requests


def fold_request(fold: int, attempt: int) -> FoldRequested:
    return FoldRequested.model_validate({**REQUEST.model_dump(), "fold": fold, "attempt": attempt})


def types(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


reports = st.lists(
    st.sampled_from(
        [
            *map(started, EXECUTIONS),
            *(started(uuid4(), attempt, 2) for attempt in (1, 1, 2, 2)),
            *map(trained, range(N_FOLDS)),
            trained(1, "f" * 64),
            failed(),
            failed(Outcome.TIME_LIMIT),
            slow(),
            *(returned(attempt=attempt) for attempt in (1, 2, 3)),
            *(returned(attempt=attempt, fold=2) for attempt in (1, 2)),
            returned("stopping"),
            returned("machine_failed", attempt=2),
        ]
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
def test_no_fold_that_is_recorded_is_ever_requested_again(reports: list[AnyReport]) -> None:
    recorded: set[int] = set()
    for event in play(reports):
        if isinstance(event, FoldTrained):
            recorded.add(event.fold)
        elif isinstance(event, FoldRequested):
            assert event.fold not in recorded
        elif isinstance(event, TrainingRequested):
            assert not recorded


@given(reports)
def test_each_job_is_requested_with_growing_attempts_that_begin_at_one(reports: list[AnyReport]) -> None:
    attempts: dict[int | None, list[int]] = {}
    for event in play(reports):
        if isinstance(event, TrainingRequested | FoldRequested):
            attempts.setdefault(getattr(event, "fold", None), []).append(event.attempt)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in attempts.values())


def test_a_slow_run_leaves_its_other_folds_to_all_trainers_and_the_last_one_finishes_it() -> None:
    stream = play([started(), trained(0), slow(), slow(), trained(2), trained(1)])
    shared = [event for event in stream if isinstance(event, FoldsShared)]
    assert [event.folds for event in shared] == [(1, 2)]
    assert isinstance(stream[-1], TrainingFinished)
    assert stream[-1].predictions_digests == ("d" * 64,) * N_FOLDS


def test_the_other_folds_are_shared_while_the_first_still_runs() -> None:
    stream = play([started(), slow(), trained(1), trained(0), trained(2)])
    assert [event.folds for event in stream if isinstance(event, FoldsShared)] == [(1, 2)]
    assert isinstance(stream[-1], TrainingFinished)
    assert stream[-1].outcome is Outcome.TRAINED


def test_the_first_fold_is_shared_too_if_whoever_went_on_with_it_died() -> None:
    stream = play([started(), slow(), returned(), returned(), slow()])
    assert types(stream[1:]) == [
        TrainingStarted,
        FoldsShared,
        FoldRequested,
        FoldRequested,
        RequestReturned,
        FoldsShared,
        FoldRequested,
    ]
    assert [event.folds for event in stream if isinstance(event, FoldsShared)] == [(1, 2), (0,)]
    assert len({event.fold for event in stream if isinstance(event, FoldRequested)}) == N_FOLDS


def test_what_was_trained_before_a_machine_died_is_kept_and_only_the_rest_is_requested() -> None:
    stream = play([started(), trained(0), trained(2), returned()])
    assert types(stream[-3:]) == [RequestReturned, FoldsShared, FoldRequested]
    assert isinstance(stream[-1], FoldRequested)
    assert stream[-1].fold == 1


def test_a_machine_that_died_before_anything_was_recorded_has_the_whole_run_requested_again() -> None:
    stream = play([started(), returned(), returned()])
    assert types(stream[1:]) == [TrainingStarted, RequestReturned, TrainingRequested]
    assert isinstance(stream[-1], TrainingRequested)
    assert stream[-1].attempt == 2


def test_a_trainer_that_stops_costs_no_attempt_however_often() -> None:
    said: list[AnyReport] = []
    for attempt, execution in enumerate(EXECUTIONS, start=1):
        said += [started(execution, attempt), returned("stopping", attempt=attempt, execution=execution)]
    assert not any(isinstance(event, TrainingFinished) for event in play(said))


def test_three_deaths_at_one_shared_fold_make_the_run_crashed() -> None:
    said: list[AnyReport] = [started(), trained(0), slow()]
    for attempt, execution in enumerate(EXECUTIONS[1:4], start=1):
        said += [started(execution, attempt, 1), returned(attempt=attempt, fold=1)]
    last = play(said)[-1]
    assert isinstance(last, TrainingFinished)
    assert last.outcome is Outcome.CRASHED


def test_machines_that_fail_three_times_end_it_as_our_fault() -> None:
    last = play([returned("machine_failed", attempt=attempt) for attempt in (1, 2, 3)])[-1]
    assert isinstance(last, TrainingFinished)
    assert last.outcome is Outcome.SYSTEM_ERROR


def overdue(attempt: int = 1, fold: int | None = None) -> RequestReturned:
    about = {"run_id": RUN, "submission_id": SUBMISSION, "attempt": attempt, "fold": fold}
    return RequestReturned.model_validate({**about, "execution_id": None, "reason": "overdue"})


def test_a_failure_in_an_attempt_that_is_no_more_says_nothing_and_what_it_trained_counts() -> None:
    """A trainer that was frozen finds its sandbox beyond its time limit: not the team's fault."""
    stream = play([started(), returned("redelivered"), failed(Outcome.TIME_LIMIT), trained(0)])
    assert types(stream[1:]) == [TrainingStarted, RequestReturned, TrainingRequested, FoldTrained]


def test_nothing_counts_of_an_attempt_that_took_longer_than_it_may() -> None:
    again = REQUEST.model_copy(update={"attempt": 2})
    stream = play([started(), overdue(), again, trained(0), slow(), failed(), started()])
    assert types(stream[1:]) == [TrainingStarted, RequestReturned, TrainingRequested]
    second = [
        started(EXECUTIONS[1], 2),
        *(trained(fold).model_copy(update={"execution_id": EXECUTIONS[1]}) for fold in range(N_FOLDS)),
    ]
    stream = play([started(), overdue(), again, *second, trained(0), failed()])
    assert isinstance(stream[-1], TrainingFinished)
    assert stream[-1].outcome is Outcome.TRAINED


def test_what_fails_before_the_participants_code_is_let_in_is_never_late() -> None:
    stream = play(
        [started(), trained(0), returned(), failed(Outcome.SYSTEM_ERROR, 1).model_copy(update={"execution_id": uuid4()})]
    )
    assert isinstance(stream[-1], TrainingFinished)


def test_an_attempt_is_given_back_as_overdue_once_and_the_third_time_is_the_last() -> None:
    stream: list[Event] = [REQUEST]
    for attempt, execution in enumerate(EXECUTIONS[:3], start=1):
        stream = [*stream, *play_on(stream, started(execution, attempt))]
        run = fold_events(stream)
        assert run is not None
        decided = return_request(run, None, attempt, None, "overdue", MAX_ATTEMPTS)
        stream += [each.event for each in decided]
        run = fold_events(stream)
        assert run is not None
        assert return_request(run, None, attempt, None, "overdue", MAX_ATTEMPTS) == [] or run.finished
        stream.append(REQUEST.model_copy(update={"attempt": attempt + 1}))
    assert types(stream)[-2] is TrainingFinished


def play_on(stream: list[Event], report: AnyReport) -> list[Event]:
    run = fold_events(stream)
    assert run is not None
    return [each.event for each in decide(run, report, "default", MAX_ATTEMPTS)]


@given(reports)
def test_after_a_withdrawal_nothing_that_a_trainer_says_follows(reports: list[AnyReport]) -> None:
    assert play([WITHDRAWN, *reports]) == [REQUEST, WITHDRAWN]


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
        (started(fold=1), "default", "never requested"),
        (returned(fold=1), "default", "never requested"),
        (trained(N_FOLDS), "default", "has 3 folds"),
        (failed(fold=99), "default", "has 3 folds"),
        (failed(Outcome.TRAINED), "default", "can't report trained"),
        (failed(Outcome.WITHDRAWN), "default", "can't report withdrawn"),
        (started().model_copy(update={"submission_id": uuid4()}), "default", "is of submission"),
    ],
)
def test_a_senseless_report_is_refused_with_the_reason(report: AnyReport, pool: str, complaint: str) -> None:
    with pytest.raises(SenselessReportError, match=complaint):
        decide(Run(request=REQUEST, version=1, attempts={None: 1}), report, pool, MAX_ATTEMPTS)


def test_a_stream_without_a_request_is_no_run() -> None:
    assert fold_events([]) is None
