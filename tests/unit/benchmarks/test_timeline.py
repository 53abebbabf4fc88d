"""Benchmarks: what trainers did, from what the ledger recorded."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from benchmarks.timeline import work_of
from shared.events import Event, FoldTrained, FoldUsage, Metadata, RecordedEvent, TrainingStarted

USAGE = FoldUsage(train_time_s=0, valid_time_s=0, test_time_s=0, peak_memory_bytes=0)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def recorded(at_s: float, event: Event) -> RecordedEvent:
    return RecordedEvent(
        position=1,
        epoch=1,
        id=uuid4(),
        stream=event.stream,
        version=1,
        type=type(event).__name__,
        schema_version=event.schema_version,
        data=event.model_dump_json(),
        metadata=Metadata(correlation_id="test"),
        recorded_at=BEGIN + timedelta(seconds=at_s),
    )


def started(at_s: float, run: UUID, trainer: str, fold: int | None = None) -> RecordedEvent:
    about = {"run_id": run, "submission_id": run, "attempt": 1, "execution_id": uuid4()}
    return recorded(at_s, TrainingStarted.model_validate({**about, "trainer": trainer, "fold": fold}))


def trained(at_s: float, run: UUID, fold: int) -> RecordedEvent:
    about = {"run_id": run, "submission_id": run, "attempt": 1, "predictions_digest": "0" * 64, "log_digest": "0" * 64}
    return recorded(at_s, FoldTrained.model_validate({**about, "fold": fold, "usage": USAGE}))


def test_two_trainers_that_share_three_folds_of_a_second() -> None:
    run = uuid4()
    work = work_of(
        [
            *(started(0.0, run, "a"), trained(1.5, run, 0)),
            *(started(2.0, run, "b", 1), started(2.5, run, "a", 2)),
            *(trained(3.5, run, 1), trained(4.0, run, 2)),
        ]
    )
    assert (work.folds, work.trainers, work.wall_s) == (3, 2, 4.0)
    assert work.in_fold_s == 1.5
    assert work.between_s == 1.0, "only a began twice: recorded at 1.5, begun again at 2.5"
    assert work.efficiency(replicas=2, fold_s=1.0) == pytest.approx(3 / 8)


def test_quick_folds_are_one_job_of_the_trainer_that_has_the_run() -> None:
    run = uuid4()
    work = work_of([started(0.0, run, "a"), *(trained(0.5 * (fold + 1), run, fold) for fold in range(4))])
    assert (work.folds, work.trainers, work.wall_s, work.in_fold_s, work.between_s) == (4, 1, 2.0, 0.5, None)


def test_what_was_begun_and_brought_nothing_is_no_work() -> None:
    gate, run = uuid4(), uuid4()
    work = work_of([started(0.0, gate, "a"), started(3.0, run, "a"), trained(4.0, run, 0)])
    assert (work.folds, work.wall_s, work.between_s) == (1, 1.0, None)
