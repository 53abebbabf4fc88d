"""Requests that nobody has any more, and attempts that somebody has had for too long. They are requested again.

A request is taken for lost only if, for the whole of a bound, a trainer lived in its pool, none of those that live said that it holds
it, and nothing came of it; and besides, either its queue held nothing ready for the whole of the bound, or a later request of the
same queue was begun more than the bound ago, since a queue hands out in order. So a long job, a long queue, and a pool without
trainers are never mistaken for a loss. If it was none after all, a fold is trained twice and recorded once.

An attempt that was begun longer ago than its folds' time limits and some room allow is overdue, whoever says that he holds it: its
trainer hangs, since sandboxes end at their limits. What that trainer says later is late (`services.orchestrator.run`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import Engine

from services.orchestrator.challenge_times import ledger_clock
from services.orchestrator.jobs import TrackedJob, pools_with_jobs, tracked_jobs
from services.orchestrator.run import Decision, Run, return_request
from services.orchestrator.runs import decide_and_append
from services.orchestrator.trainers import Trainers
from shared.telemetry import get_logger

log = get_logger(__name__)

LOST = Counter("palio_lost_requests_total", "Requests that nobody had any more, requested again", ["pool"])
OVERDUE = Counter("palio_overdue_attempts_total", "Attempts beyond their time limits, requested again", ["pool"])

#: A bound below this many heartbeats would take for lost what a trainer has just begun and not yet said that it holds.
_BEATS_TO_BE_SURE = 3

#: The number of messages that are ready in a pool's queue.
ReadyMessages = Callable[[str], Awaitable[int]]


class LostWork:
    """Finds lost requests and overdue attempts, and gives them back to the queue. Look about once a second."""

    def __init__(
        self,
        engine: Engine,
        trainers: Trainers,
        ready_messages: ReadyMessages,
        *,
        max_attempts: int,
        lost_after_s: float,
        overdue_after_s: float = 900,
    ) -> None:
        """`overdue_after_s`: the room beyond time limits."""
        self._engine = engine
        self._trainers = trainers
        self._ready_messages = ready_messages
        self._max_attempts = max_attempts
        self._lost_after_s = lost_after_s
        self._overdue_after_s = overdue_after_s
        #: Since when a trainer lives in a pool, and since when one lives and the queue is empty.
        self._served_since: dict[str, float] = {}
        self._empty_since: dict[str, float] = {}
        #: By pool: since when each attempt at a job has been seen requested and not held.
        self._missing_since: dict[str, dict[tuple[UUID, int | None, int], float]] = {}

    async def look(self) -> int:
        """Look once; returns how many were given back."""
        with_jobs = await asyncio.to_thread(self._pools_with_jobs)
        given_back = 0
        for pool in with_jobs:
            self._note(pool, await self._ready_messages(pool))
            given_back += await asyncio.to_thread(self._give_back, pool)
        return given_back

    def _note(self, pool: str, ready: int) -> None:
        """Since when things are as they are."""
        is_served = pool in self._trainers.pools()
        for since, is_so in ((self._served_since, is_served), (self._empty_since, is_served and not ready)):
            if is_so:
                since.setdefault(pool, time.monotonic())
            else:
                since.pop(pool, None)

    def _bound_s(self, pool: str) -> float:
        return max(self._lost_after_s, _BEATS_TO_BE_SURE * self._trainers.slowest_beat_s(pool))

    def _pools_with_jobs(self) -> list[str]:
        with self._engine.connect() as connection:
            return pools_with_jobs(connection)

    def _give_back(self, pool: str) -> int:
        with self._engine.connect() as connection:
            # Times in the tables are the ledger's: this host's clock may differ.
            now = ledger_clock(connection)
            jobs = tracked_jobs(connection, pool)
        overdue = [each for each in jobs if is_overdue(each, now, self._overdue_after_s) and self._return(each, "overdue")]
        lost = [each for each in self._lost(pool, jobs, now) if each not in overdue and self._return(each, "lost")]
        OVERDUE.labels(pool).inc(len(overdue))
        LOST.labels(pool).inc(len(lost))
        return len(overdue) + len(lost)

    def _lost(self, pool: str, jobs: list[TrackedJob], now: datetime) -> list[TrackedJob]:
        bound = timedelta(seconds=self._bound_s(pool))
        missing = {
            (each.job.run_id, each.job.fold, each.attempt): each for each in jobs if self._is_missing(pool, each, now - bound)
        }
        before = self._missing_since.get(pool, {})
        since = self._missing_since[pool] = {key: before.get(key, time.monotonic()) for key in missing}
        is_empty = self._holds_for(self._empty_since.get(pool), pool)
        if not self._holds_for(self._served_since.get(pool), pool):
            return []
        return [
            each
            for key, each in missing.items()
            if self._holds_for(since[key], pool)
            and (is_empty or (each.overtaken_at is not None and each.overtaken_at <= now - bound))
        ]

    def _holds_for(self, since: float | None, pool: str) -> bool:
        """Whether something has been so for the whole bound."""
        return since is not None and time.monotonic() - since >= self._bound_s(pool)

    def _is_missing(self, pool: str, each: TrackedJob, since: datetime) -> bool:
        if each.requested_at is None or each.requested_at > since:
            return False
        return not self._trainers.holds(pool, each.job.run_id, each.job.fold)

    def _return(self, each: TrackedJob, reason: Literal["lost", "overdue"]) -> bool:
        """False if the ledger knows better than the tables did."""

        def decide(run: Run) -> list[Decision]:
            return return_request(run, each.job.fold, each.attempt, None, reason, self._max_attempts)

        is_returned = bool(decide_and_append(self._engine, each.job.run_id, decide))
        if is_returned:
            log.error("request_lost", reason=reason, run_id=str(each.job.run_id), fold=each.job.fold, attempt=each.attempt)
        return is_returned


def is_overdue(each: TrackedJob, now: datetime, room_s: float) -> bool:
    """Whether an attempt was begun longer ago than its time limits and this room allow."""
    if each.started_at is None or each.longest_s is None:
        return False
    return now - each.started_at > timedelta(seconds=each.longest_s + room_s)
