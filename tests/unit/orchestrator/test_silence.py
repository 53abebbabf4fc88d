"""What accounts for a submission, and what does not."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.jobs import TrackedJob
from services.orchestrator.order import Job
from services.orchestrator.silence import Silence, Unfinished, is_accounted_for, oldest
from services.orchestrator.trainers import Trainers
from shared.bus.telemetry import Heartbeat, Held

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUN = UUID(int=7)
ROOM_S = 60
LONGEST_S = 300


def tracked(*, started_s_ago: float | None = None, fold: int | None = None) -> TrackedJob:
    job = Job(RUN, fold, uuid4(), "iris", uuid4(), 1)
    started_at = None if started_s_ago is None else NOW - timedelta(seconds=started_s_ago)
    long_ago = NOW - timedelta(days=1)
    return TrackedJob(job, 1, long_ago, long_ago, started_at, longest_s=LONGEST_S)


def unfinished(*jobs: TrackedJob) -> Unfinished:
    return Unfinished(uuid4(), "default", NOW - timedelta(days=1), jobs)


async def holding(*folds: int | None) -> Trainers:
    trainers = Trainers()
    held = tuple(Held(run_id=RUN, fold=fold) for fold in folds)
    await trainers.hear(Heartbeat(trainer="t", slots=1, busy_slots=0, is_draining=False, held=held), "trainer-default")
    return trainers


@pytest.mark.parametrize(
    ("jobs", "held", "with_ready", "is_accounted"),
    [
        ([tracked()], (), {"default"}, True),
        ([tracked()], (), {"gpu"}, False),
        ([tracked()], (None,), (), True),
        ([tracked(started_s_ago=300)], (None,), (), True),
        ([tracked(started_s_ago=LONGEST_S + ROOM_S + 1)], (None,), {"default"}, False),
        ([tracked(fold=1)], (2,), (), False),
        ([tracked(fold=1), tracked(fold=2)], (2,), (), True),
        ([], (None,), {"default"}, False),
    ],
)
async def test_a_request_is_accounted_for_by_its_queue_or_by_a_trainer_within_its_time_limits(
    jobs: list[TrackedJob],
    held: tuple[int | None, ...],
    with_ready: set[str],
    is_accounted: bool,  # noqa: FBT001
) -> None:
    trainers = await holding(*held)
    assert is_accounted_for(unfinished(*jobs), trainers, with_ready, NOW, ROOM_S) is is_accounted


@given(st.lists(st.floats(0, 10**9), max_size=10))
def test_the_oldest_silence_is_the_one_that_no_other_outlasts(seconds: list[float]) -> None:
    silences = [Silence(each, uuid4(), "a trainer") for each in seconds]
    found = oldest(silences)
    assert (found is None) is (silences == [])
    assert found is None or all(each.seconds <= found.seconds for each in silences)
