"""When trainers worked and when they waited, from what the ledger recorded of them. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import fmean
from uuid import UUID

from shared.events import FoldTrained, RecordedEvent, TrainingStarted


@dataclass
class Job:
    """What one trainer did after one request: a run's folds, or one shared fold. Times are the ledger's."""

    trainer: str
    started_at: datetime
    ended_at: datetime
    folds: int = 0


@dataclass(frozen=True)
class Work:
    """All that trainers did, in seconds; means.

    `in_fold_s` is from the beginning of a job to the record of its last fold, for each of its folds; `between_s` from there to
    the next beginning on the same trainer.
    """

    folds: int
    trainers: int
    wall_s: float
    in_fold_s: float
    between_s: float | None

    def efficiency(self, replicas: int, fold_s: float) -> float:
        """Share of the replicas' time in which they did what was to be done, folds of so many seconds."""
        return self.folds * fold_s / (replicas * self.wall_s)


def work_of(events: Iterable[RecordedEvent]) -> Work:
    """The work that these events tell of. Every fold must be recorded by the trainer that began it: nothing was lost."""
    jobs = sorted((job for job in _jobs(events) if job.folds), key=lambda job: job.started_at)
    by_trainer = defaultdict(list)
    for job in jobs:
        by_trainer[job.trainer].append(job)
    gaps = [
        (after.started_at - before.ended_at).total_seconds() for own in by_trainer.values() for before, after in pairwise(own)
    ]
    folds = sum(job.folds for job in jobs)
    busy_s = sum((job.ended_at - job.started_at).total_seconds() for job in jobs)
    wall = max(job.ended_at for job in jobs) - jobs[0].started_at
    return Work(folds, len(by_trainer), wall.total_seconds(), busy_s / folds, fmean(gaps) if gaps else None)


def _jobs(events: Iterable[RecordedEvent]) -> list[Job]:
    """Every job begun. A fold belongs to its own job if it was shared, else to its run's first."""
    jobs: dict[tuple[UUID, int | None], Job] = {}
    for recorded in events:
        event = recorded.event()
        if isinstance(event, TrainingStarted):
            jobs[event.run_id, event.fold] = Job(event.trainer, recorded.recorded_at, recorded.recorded_at)
        elif isinstance(event, FoldTrained):
            job = jobs.get((event.run_id, event.fold)) or jobs[event.run_id, None]
            job.folds += 1
            job.ended_at = recorded.recorded_at
    return list(jobs.values())
