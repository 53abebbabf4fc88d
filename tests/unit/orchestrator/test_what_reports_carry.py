"""What a trainer measured and saw comes through to the facts."""

from uuid import uuid4

from services.orchestrator.run import Run, decide
from shared.bus.reports import FailedReport, FoldTrainedReport, StartedReport
from shared.events import (
    FoldLimits,
    FoldTrained,
    FoldUsage,
    Outcome,
    PartUsage,
    RunConditions,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)

REQUEST = TrainingRequested(
    run_id=uuid4(),
    submission_id=uuid4(),
    challenge_id="c",
    attempt=1,
    pool="default",
    bundle_digest="b",
    manifest_digest="m",
    environment_digest="e",
    n_folds=2,
    limits=FoldLimits(),
    live_log_bytes=0,
)
ABOUT = {"run_id": REQUEST.run_id, "submission_id": REQUEST.submission_id, "attempt": 1, "execution_id": uuid4()}


def test_the_conditions_of_a_run_are_recorded_when_it_starts() -> None:
    conditions = RunConditions(seed=0, hash_seed=0, threads=1, python_version="3.11.7", platform="Linux x86_64, glibc 2.36")
    report = StartedReport.model_validate({**ABOUT, "trainer": "t", "conditions": conditions, "shared_fold": None})
    [decision] = decide(Run(REQUEST, 1, attempts={None: 1}), report, "default", 3)
    assert isinstance(decision.event, TrainingStarted)
    assert decision.event.conditions == conditions


def test_what_a_fold_used_and_how_long_its_log_is_are_recorded() -> None:
    part = PartUsage(wall_time_s=1, cpu_time_s=0.5, peak_memory_bytes=7)
    usage = FoldUsage(train_time_s=1, valid_time_s=0, test_time_s=0, peak_memory_bytes=7, training=part, prediction=part)
    digests = {"predictions_digest": "a" * 64, "log_digest": "b" * 64}
    report = FoldTrainedReport.model_validate({**ABOUT, **digests, "fold": 0, "log_bytes": 12, "usage": usage})
    [decision] = decide(Run(REQUEST, 1, attempts={None: 1}), report, "default", 3)
    assert isinstance(decision.event, FoldTrained)
    assert (decision.event.usage, decision.event.log_bytes) == (usage, 12)


def test_the_length_of_the_log_of_a_fold_that_failed_is_recorded() -> None:
    about = {"outcome": Outcome.CRASHED, "reason": "r", "fold": 1, "traceback_digest": None, "log_digest": "b" * 64}
    report = FailedReport.model_validate({**ABOUT, **about, "log_bytes": 12})
    [decision] = decide(Run(REQUEST, 1, attempts={None: 1}), report, "default", 3)
    assert isinstance(decision.event, TrainingFinished)
    assert decision.event.log_bytes == 12
