"""For how long nothing has accounted for a submission that is not final. Nobody may be silent for longer than a published bound.

What accounts for a submission, now:

- a job of it waits for its turn: then its place in the queue is told;
- a job of it was requested, and its pool's queue holds something ready, so that it may be among that;
- a living trainer says that it holds a job of it, and has not done so for longer than time limits allow.

If nothing of this is so, it is silent since the last fact that was recorded about it. A trained one waits for its score, and nothing
accounts for that but the last request for it. So a silence that is below the bound is what finders of lost work have not looked at
yet; one above it is a loss that they do not find, or do not mend.
"""

import asyncio
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from prometheus_client import Gauge
from sqlalchemy import Connection, Engine, text

from services.orchestrator.challenge_times import ledger_clock
from services.orchestrator.jobs import TrackedJob, requested_jobs
from services.orchestrator.lost import ReadyMessages, is_overdue
from services.orchestrator.trainers import SILENCE_LIMIT_S, Trainers

OLDEST = Gauge(
    "palio_oldest_silence_seconds", "Seconds for which nothing has accounted for the submission that is silent longest"
)
BOUND = Gauge("palio_silence_bound_seconds", "Seconds for which a submission may be silent")

#: Runs none of whose jobs waits for its turn; those that an earlier release wrote have no last fact.
_WITHOUT_A_PLACE = text("""
    SELECT run_id, submission_id, pool, coalesce(last_fact_at, (
        SELECT max(greatest(waiting_since, requested_at, started_at)) FROM jobs WHERE jobs.run_id = runs.run_id
    )) AS last_fact_at
    FROM runs WHERE NOT EXISTS (SELECT FROM jobs WHERE jobs.run_id = runs.run_id AND requested_at IS NULL)
""")
_OLDEST_WITHOUT_A_SCORE = text("SELECT submission_id, asked_at FROM owed_scores ORDER BY asked_at LIMIT 1")


@dataclass(frozen=True)
class Unfinished:
    """A submission that has no place in the queue: its jobs are all requested, or all done."""

    submission_id: UUID
    pool: str
    last_fact_at: datetime
    jobs: tuple[TrackedJob, ...]


@dataclass(frozen=True)
class Silence:
    """A submission that nothing accounts for, for so many seconds, and whose word is missing."""

    seconds: float
    submission_id: UUID
    waits_for: str


def is_accounted_for(
    each: Unfinished, trainers: Trainers, pools_with_ready: Collection[str], now: datetime, room_s: float
) -> bool:
    """Whether anything accounts for it now; `room_s` as `is_overdue` has it."""
    return any(
        _is_somewhere(job, each.pool, trainers, pools_with_ready) and not is_overdue(job, now, room_s) for job in each.jobs
    )


def _is_somewhere(job: TrackedJob, pool: str, trainers: Trainers, pools_with_ready: Collection[str]) -> bool:
    return pool in pools_with_ready or trainers.holds(pool, job.job.run_id, job.job.fold)


def oldest(silences: Sequence[Silence]) -> Silence | None:
    """The longest of them."""
    return max(silences, key=lambda each: each.seconds, default=None)


class SilenceWatch:
    """Measures the oldest silence, for a metric and a page. Look about once a second."""

    def __init__(
        self,
        engine: Engine,
        trainers: Trainers,
        ready_messages: ReadyMessages,
        *,
        overdue_after_s: float,
        bound_s: float,
        heard_after_s: float = SILENCE_LIMIT_S,
    ) -> None:
        """`heard_after_s`: until then trainers may live that have not been heard yet."""
        self._engine = engine
        self._trainers = trainers
        self._ready_messages = ready_messages
        self._overdue_after_s = overdue_after_s
        self._bound_s = bound_s
        self._from = time.monotonic() + heard_after_s
        self._oldest: Silence | None = None
        BOUND.set(bound_s)

    async def look(self) -> int:
        """Look once. Finds nothing that it could mend: returns 0."""
        if time.monotonic() >= self._from:
            unfinished = await asyncio.to_thread(self._unfinished)
            pools = {each.pool for each in unfinished}
            with_ready = {pool for pool in sorted(pools) if await self._ready_messages(pool)}
            self._oldest = await asyncio.to_thread(self._measure, unfinished, with_ready)
            OLDEST.set(self._oldest.seconds if self._oldest else 0)
        return 0

    def page(self) -> bytes:
        """As JSON: the bound, the oldest silence, whose it is and what it waits for."""
        said: dict[str, object] = {"bound_s": self._bound_s, "oldest_s": 0.0, "submission_id": None, "waits_for": None}
        if self._oldest is not None:
            found = {"oldest_s": round(self._oldest.seconds, 3), "submission_id": str(self._oldest.submission_id)}
            said = {**said, **found, "waits_for": self._oldest.waits_for}
        return json.dumps(said).encode()

    def _unfinished(self) -> list[Unfinished]:
        with self._engine.connect() as connection:
            jobs: dict[UUID, list[TrackedJob]] = {}
            for each in requested_jobs(connection):
                jobs.setdefault(each.job.run_id, []).append(each)
            return [
                Unfinished(row.submission_id, row.pool, row.last_fact_at, tuple(jobs.get(row.run_id, ())))
                for row in connection.execute(_WITHOUT_A_PLACE)
                if row.last_fact_at is not None
            ]

    def _measure(self, unfinished: Sequence[Unfinished], with_ready: Collection[str]) -> Silence | None:
        with self._engine.connect() as connection:
            now = ledger_clock(connection)
            silences = _without_a_score(connection, now)
        silences += [
            Silence((now - each.last_fact_at).total_seconds(), each.submission_id, "a trainer")
            for each in unfinished
            if not is_accounted_for(each, self._trainers, with_ready, now, self._overdue_after_s)
        ]
        return oldest(silences)


def _without_a_score(connection: Connection, now: datetime) -> list[Silence]:
    rows = connection.execute(_OLDEST_WITHOUT_A_SCORE)
    return [Silence((now - row.asked_at).total_seconds(), row.submission_id, "the scorer") for row in rows]
