"""Where a submission stands, and about how long it waits."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.orchestrator.estimate import queue_places
from services.orchestrator.jobs import TrackedJob
from services.orchestrator.order import Job, Turns

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
DURATIONS = {("a", False): 10.0, ("a", True): 60.0}


def tracked(
    number: int, *, fold: int | None = None, requested_s: float | None = None, started_s: float | None = None
) -> TrackedJob:
    job = Job(UUID(int=number), fold, UUID(int=number), "a", UUID(int=number), age=number)

    def ago(seconds: float | None) -> datetime | None:
        return None if seconds is None else NOW - timedelta(seconds=seconds)

    return TrackedJob(job, 1, NOW - timedelta(seconds=100), ago(requested_s), ago(started_s))


def test_the_first_that_has_not_begun_is_number_one_and_each_waits_for_what_is_ahead() -> None:
    jobs = [tracked(1, requested_s=9, started_s=4), tracked(2, requested_s=8), tracked(3), tracked(4)]
    places = queue_places(jobs, Turns(), DURATIONS, 1, NOW)
    assert [(place.submission_id.int, place.position, place.estimated_wait_s) for place in places] == [
        (2, 1, 6.0),
        (3, 2, 16.0),
        (4, 3, 26.0),
    ]


def test_slots_share_what_is_ahead_and_a_free_one_means_no_wait() -> None:
    jobs = [tracked(1, requested_s=9, started_s=5), tracked(2), tracked(3)]
    waits = [place.estimated_wait_s for place in queue_places(jobs, Turns(), DURATIONS, 2, NOW)]
    assert waits == [0.0, 7.5]


def test_shared_folds_of_others_count_as_the_time_that_they_take() -> None:
    jobs = [tracked(1, fold=1, requested_s=1), tracked(2, requested_s=0.5)]
    [place] = queue_places(jobs, Turns(), DURATIONS, 1, NOW)
    assert (place.position, place.estimated_wait_s) == (1, 60.0)


def test_who_has_begun_has_no_place_though_its_folds_wait() -> None:
    assert queue_places([tracked(1, fold=1), tracked(1, fold=2, requested_s=2, started_s=1)], Turns(), DURATIONS, 1, NOW) == ()


def test_nobody_can_tell_without_trainers_or_before_anything_ran() -> None:
    assert queue_places([tracked(1)], Turns(), DURATIONS, 0, NOW)[0].estimated_wait_s is None
    assert queue_places([tracked(1)], Turns(), {}, 2, NOW)[0].estimated_wait_s is None
