"""Keeps every pool's queue filled, in fair order, and says where each submission stands.

One loop takes in what the ledger holds, says which times of challenges have come, requests what fits. It is woken by events and
reports, and looks by itself every second: so a ring that is lost delays by that, and slots that come or go are noticed. After it,
another tells the queue's state and looks for lost work; it needs the broker, and holds up nobody when that is away.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from prometheus_client import Gauge
from sqlalchemy import Engine

from services.orchestrator.challenge_times import record_what_has_come
from services.orchestrator.estimate import queue_places
from services.orchestrator.jobs import TrackedJob, mean_durations, pools_with_jobs, tracked_jobs, turns_of
from services.orchestrator.pools import Drain, Pool, drains, pools
from services.orchestrator.release import release
from services.orchestrator.trainers import Trainers
from shared.bus.consumer import worth_waiting_for
from shared.bus.telemetry import Commander, QueuePlace, QueueSnapshot, Whisperer
from shared.events import Service
from shared.ledger import Projection
from shared.telemetry import Readiness, get_logger

log = get_logger(__name__)

#: Looks for something lost, and returns how much it found.
Finder = Callable[[], Awaitable[int]]

LOOK_S = 1.0
_TELL_S = 0.5
#: A broker that is there answers far sooner; one that is away, aio-pika waits for without an end.
_BROKER_LIMIT_S = 10.0

BACKLOG = Gauge("palio_pool_backlog", "Jobs that wait, or are requested and not begun", ["pool"])
UNDER_WAY = Gauge("palio_pool_under_way", "Jobs that trainers have begun", ["pool"])
OLDEST = Gauge("palio_pool_oldest_wait_seconds", "Seconds that the oldest job that has not begun has waited", ["pool"])

PAUSED = Gauge("palio_pool_paused", "1 for a pool that is paused or drained", ["pool"])


class Scheduler:
    """Says whose turn it is. One task runs it; others ring it."""

    def __init__(
        self, engine: Engine, projection: Projection, trainers: Trainers, finders: Sequence[Finder], readiness: Readiness
    ) -> None:
        """`finders` look for work that is lost, about once a second."""
        self._engine = engine
        self._projection = projection
        self._trainers = trainers
        self._finders = finders
        self._readiness = readiness
        self._woken = asyncio.Event()
        self._moved = asyncio.Condition()
        self._position = 0
        self._told: set[str] = set()
        self._decided = asyncio.Event()
        self._searched_at = 0.0
        self._pools: dict[str, dict[str, object]] = {}

    def wake(self) -> None:
        """Look soon whether there is something to request."""
        self._woken.set()

    async def ring(self, position: int) -> None:
        """Returns once what the ledger holds up to this position has had its effect."""
        self.wake()
        async with self._moved:
            await self._moved.wait_for(lambda: self._position >= position)

    async def run(self, whisperer: Whisperer, commander: Commander) -> None:
        """Schedule until cancelled. A server that is away is waited for."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._decide())
            tasks.create_task(self._speak(whisperer, commander))

    async def _decide(self) -> None:
        """What needs the ledger alone."""
        while True:
            self._woken.clear()
            try:
                position = await asyncio.to_thread(self._take_in_and_release)
            except Exception as error:
                if not worth_waiting_for(error):
                    raise
                self._wait_for("scheduler", error)
                await asyncio.sleep(LOOK_S)
                continue
            self._readiness.clear("scheduler")
            self._decided.set()
            async with self._moved:
                self._position = position
                self._moved.notify_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()

    async def _speak(self, whisperer: Whisperer, commander: Commander) -> None:
        """What needs the broker too: apart, since aio-pika waits for one that is away, without a word and without an end."""
        while True:
            await self._decided.wait()
            self._decided.clear()
            try:
                async with asyncio.timeout(_BROKER_LIMIT_S):
                    await self._tell(whisperer, commander)
                    await self._search()
            except Exception as error:
                if not worth_waiting_for(error):
                    raise
                self._wait_for("telling", error)
            else:
                self._readiness.clear("telling")
            # With thousands that wait their places are long: not at each event.
            await asyncio.sleep(_TELL_S)

    def _wait_for(self, part: str, error: Exception) -> None:
        log.warning("waiting", part=part, error=repr(error))
        self._readiness.blocked(part, f"trying again: {type(error).__name__}")

    async def _search(self) -> None:
        """Look for lost work: also when there is so much to do that nobody ever waits here."""
        if time.monotonic() - self._searched_at < LOOK_S:
            return
        self._searched_at = time.monotonic()
        for find in self._finders:
            if await find():
                self.wake()

    def state(self) -> bytes:
        """Every pool's backlog and capacity as JSON, for a scaler."""
        return json.dumps({"pools": self._pools}).encode()

    def _take_in_and_release(self) -> int:
        position = self._projection.catch_up()
        record_what_has_come(self._engine)
        with self._engine.connect() as connection:
            pools = pools_with_jobs(connection)
        for pool in pools:
            if release(self._engine, pool, self._trainers.slots_to_fill(pool)):
                # What was requested just now counts when the places are told.
                position = self._projection.catch_up()
        return position

    async def _tell(self, whisperer: Whisperer, commander: Commander) -> None:
        snapshots, to_drain = await asyncio.to_thread(self._looked_up)
        for snapshot in snapshots:
            # Said again though nothing changed: whoever started meanwhile has not heard it.
            await whisperer.say(snapshot, Service.ORCHESTRATOR)
            self._told.add(snapshot.pool)
        for drain in to_drain:
            # Said again until everything has come back: one that is lost only delays.
            await commander.drain(drain.pool, drain.epoch, drain.through)

    def _looked_up(self) -> tuple[list[QueueSnapshot], list[Drain]]:
        snapshots = []
        now = datetime.now(UTC)
        with self._engine.connect() as connection:
            to_drain = drains(connection)
            durations = mean_durations(connection)
            decided = pools(connection)
            for name in sorted({*pools_with_jobs(connection), *self._trainers.pools(), *self._told, *decided}):
                pool = decided.get(name, Pool(name))
                jobs = tracked_jobs(connection, name)
                self._note(pool, jobs, now)
                # Nobody can tell when a pool goes on that stands still.
                slots = self._trainers.capacity(name).slots if pool.state == "open" else 0
                places = queue_places(jobs, turns_of(connection, name), durations, slots, now)
                snapshots.append(self._snapshot(pool, jobs, places))
        return snapshots, to_drain

    def _snapshot(self, pool: Pool, jobs: list[TrackedJob], places: tuple[QueuePlace, ...]) -> QueueSnapshot:
        capacity = self._trainers.capacity(pool.name)
        return QueueSnapshot(
            pool=pool.name,
            places=places,
            state=pool.state,
            reason=pool.reason,
            decided_at_position=pool.position,
            waiting=sum(each.requested_at is None for each in jobs),
            requested=sum(each.requested_at is not None and each.started_at is None for each in jobs),
            under_way=sum(each.started_at is not None for each in jobs),
            trainers=capacity.trainers,
            slots=capacity.slots,
        )

    def _note(self, pool: Pool, jobs: list[TrackedJob], now: datetime) -> None:
        """Keep a pool's figures for metrics and the scaler."""
        idle = [each for each in jobs if each.started_at is None]
        oldest_s = max(((now - each.waiting_since).total_seconds() for each in idle), default=0.0)
        capacity = self._trainers.capacity(pool.name)
        BACKLOG.labels(pool.name).set(len(idle))
        UNDER_WAY.labels(pool.name).set(len(jobs) - len(idle))
        OLDEST.labels(pool.name).set(oldest_s)
        self._trainers.show(pool.name)
        PAUSED.labels(pool.name).set(pool.state != "open")
        self._pools[pool.name] = {
            "state": pool.state,
            "reason": pool.reason,
            "backlog": len(idle),
            "under_way": len(jobs) - len(idle),
            "oldest_wait_s": round(max(oldest_s, 0.0), 3),
            "trainers": capacity.trainers,
            "slots": capacity.slots,
            "busy_slots": capacity.busy_slots,
        }
