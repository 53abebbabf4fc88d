"""Requests that nobody has any more: the broker lost its disk, or a message was dropped. They are requested again.

A request is taken for lost only if three things held for the whole of a bound: it was requested and nothing came of it; its
queue held nothing ready; and none of the trainers that live, of which there is one, says that it holds it. So a long job, a
long queue, and a pool without trainers are never mistaken for a loss. If it was none after all, a fold is trained twice and
recorded once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import Engine

from services.orchestrator.jobs import TrackedJob, pools_with_jobs, tracked_jobs
from services.orchestrator.run import Decision, Run, return_request
from services.orchestrator.runs import decide_and_append
from services.orchestrator.trainers import Trainers
from shared.telemetry import get_logger

log = get_logger(__name__)

LOST = Counter("palio_lost_requests_total", "Requests that nobody had any more, requested again", ["pool"])

#: A bound below this many heartbeats would take for lost what a trainer has just begun and not yet said that it holds.
_BEATS_TO_BE_SURE = 3

#: The number of messages that are ready in a pool's queue.
ReadyMessages = Callable[[str], Awaitable[int]]


class LostWork:
    """Finds lost requests and gives them back to the queue. Look about once a second."""

    def __init__(
        self, engine: Engine, trainers: Trainers, ready_messages: ReadyMessages, *, max_attempts: int, lost_after_s: float
    ) -> None:
        self._engine = engine
        self._trainers = trainers
        self._ready_messages = ready_messages
        self._max_attempts = max_attempts
        self._lost_after_s = lost_after_s
        #: Since when a pool's queue is empty while a trainer lives.
        self._empty_since: dict[str, float] = {}
        #: By pool: since when each attempt at a job has been seen requested and not held.
        self._missing_since: dict[str, dict[tuple[UUID, int | None, int], float]] = {}

    async def look(self) -> int:
        """Look once; returns how many were lost."""
        with_jobs = await asyncio.to_thread(self._pools_with_jobs)
        lost = 0
        for pool in with_jobs:
            if await self._is_empty(pool):
                lost += await asyncio.to_thread(self._give_back_lost, pool)
            else:
                self._missing_since.pop(pool, None)
        return lost

    async def _is_empty(self, pool: str) -> bool:
        """Whether the queue has been empty, and a trainer there, for the whole bound."""
        if pool not in self._trainers.pools() or await self._ready_messages(pool):
            self._empty_since.pop(pool, None)
            return False
        return time.monotonic() - self._empty_since.setdefault(pool, time.monotonic()) >= self._bound_s(pool)

    def _bound_s(self, pool: str) -> float:
        return max(self._lost_after_s, _BEATS_TO_BE_SURE * self._trainers.slowest_beat_s(pool))

    def _pools_with_jobs(self) -> list[str]:
        with self._engine.connect() as connection:
            return pools_with_jobs(connection)

    def _give_back_lost(self, pool: str) -> int:
        with self._engine.connect() as connection:
            jobs = tracked_jobs(connection, pool)
        missing = {(each.job.run_id, each.job.fold, each.attempt): each for each in jobs if self._is_missing(each, pool)}
        now = time.monotonic()
        before = self._missing_since.get(pool, {})
        since = self._missing_since[pool] = {key: before.get(key, now) for key in missing}
        lost = [each for key, each in missing.items() if now - since[key] >= self._bound_s(pool)]
        given_back = [each for each in lost if self._give_back(each)]
        for each in given_back:
            LOST.labels(pool).inc()
            log.error("request_lost", run_id=str(each.job.run_id), fold=each.job.fold, attempt=each.attempt)
        return len(given_back)

    def _give_back(self, each: TrackedJob) -> bool:
        """False if the ledger knows better than the tables did."""

        def decide(run: Run) -> list[Decision]:
            return return_request(run, each.job.fold, each.attempt, None, "lost", self._max_attempts)

        return bool(decide_and_append(self._engine, each.job.run_id, decide))

    def _is_missing(self, each: TrackedJob, pool: str) -> bool:
        if each.requested_at is None or self._trainers.holds(each.job.run_id, each.job.fold):
            return False
        return datetime.now(UTC) - each.requested_at >= timedelta(seconds=self._bound_s(pool))
