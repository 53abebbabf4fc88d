"""Where each submission stands in its pool's queue, and about how long it will wait. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import fmean
from uuid import UUID

from services.orchestrator.jobs import TrackedJob
from services.orchestrator.order import Job, Turns, fair_order
from shared.bus.telemetry import QueuePlace

#: Mean seconds of a job, by challenge and whether it is a shared fold.
Durations = Mapping[tuple[str, bool], float]


def queue_places(
    jobs: Sequence[TrackedJob], turns: Turns, durations: Durations, slots: int, now: datetime
) -> tuple[QueuePlace, ...]:
    """The places of all submissions whose training has not begun, the next one first.

    The wait is what is ahead, by the times that such jobs took lately, shared among the slots: None where no slot lives, or
    nothing is known of how long jobs take. It assumes that nobody comes who has had fewer turns.
    """
    begun = [each for each in jobs if each.started_at is not None]
    requested = sorted(
        (each for each in jobs if each.requested_at is not None and each.started_at is None),
        key=lambda each: (each.requested_at, each.job.age),
    )
    waiting = [each.job for each in jobs if each.requested_at is None]
    under_way = [each.job for each in jobs if each.requested_at is not None]
    ahead_s = sum(_remaining_s(each, durations, now) for each in begun)
    free_slots = max(slots - len(begun), 0)
    places: list[QueuePlace] = []
    seen: set[UUID] = {each.job.submission_id for each in begun}
    for number, job in enumerate([*(each.job for each in requested), *fair_order(waiting, under_way, turns)]):
        if job.fold is None and job.submission_id not in seen:
            seen.add(job.submission_id)
            known = bool(slots and durations)
            wait_s = 0.0 if number < free_slots else ahead_s / max(slots, 1)
            places.append(
                QueuePlace(
                    submission_id=job.submission_id,
                    position=len(places) + 1,
                    estimated_wait_s=round(wait_s, 1) if known else None,
                )
            )
        ahead_s += _expected_s(job, durations)
    return tuple(places)


def _expected_s(job: Job, durations: Durations) -> float:
    """What such jobs took lately; of a challenge that has had none, what all jobs took."""
    found = durations.get((job.challenge_id, job.is_shared_fold))
    if found is None:
        found = fmean(durations.values()) if durations else 0.0
    return found


def _remaining_s(each: TrackedJob, durations: Durations, now: datetime) -> float:
    if each.started_at is None:
        return 0.0
    return max(_expected_s(each.job, durations) - (now - each.started_at).total_seconds(), 0.0)
