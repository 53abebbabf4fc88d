"""Which trainers live, how many slots they have and what they hold, from their heartbeats. In memory only: it is said again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from prometheus_client import Gauge

from shared.bus.telemetry import AnyTelemetry, Heartbeat
from shared.bus.topology import TRAINER_USER_PREFIX

#: A trainer that has said nothing for so long, three heartbeats, is taken for gone.
SILENCE_LIMIT_S = 15.0
#: What the trainers of one pool may make the orchestrator believe, if they lie: nothing about others' pools, and so much of their own.
MAX_TRAINERS = 1_000
MAX_HELD = 100_000
#: Slots of a pool of which nothing has been heard yet: enough for the first trainer to find work.
_UNHEARD_SLOTS = 1

SLOTS = Gauge("palio_pool_slots", "Slots of the trainers that live, without those that drain", ["pool"])
BUSY = Gauge("palio_pool_busy_slots", "Slots with a fold in them", ["pool"])
TRAINERS = Gauge("palio_pool_trainers", "Trainers that live", ["pool"])


@dataclass(frozen=True)
class PoolCapacity:
    """What a pool's living trainers amount to. `slots` are those that take new work."""

    trainers: int
    slots: int
    busy_slots: int


@dataclass
class _Pool:
    """What the trainers of one pool said. Replaced, never changed, since others read it meanwhile."""

    heard: dict[str, tuple[float, Heartbeat]] = field(default_factory=dict)
    held: dict[tuple[UUID, int | None], float] = field(default_factory=dict)


class Trainers:
    """What the trainers said last. For one event loop; reading is safe from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: Only pools that the broker has a user for.
        self._pools: dict[str, _Pool] = {}

    async def hear(self, said: AnyTelemetry, user: str) -> None:
        """Take in a heartbeat; its pool is that of the user who said it."""
        if not isinstance(said, Heartbeat) or not user.startswith(TRAINER_USER_PREFIX):
            return
        now = self._clock()
        name = user.removeprefix(TRAINER_USER_PREFIX)
        pool = self._pools.get(name, _Pool())
        heard = {trainer: (at, beat) for trainer, (at, beat) in pool.heard.items() if now - at < SILENCE_LIMIT_S}
        if said.trainer not in heard and len(heard) >= MAX_TRAINERS:
            return
        heard[said.trainer] = (now, said)
        held = {key: at for key, at in pool.held.items() if now - at < SILENCE_LIMIT_S}
        for each in said.held:
            if len(held) < MAX_HELD or (each.run_id, each.fold) in held:
                held[each.run_id, each.fold] = now
        self._pools[name] = _Pool(heard, held)
        self.show(name)

    def capacity(self, pool: str) -> PoolCapacity:
        """What lives in a pool now."""
        beats = self._beats(pool)
        return PoolCapacity(
            trainers=len(beats),
            slots=sum(beat.slots for beat in beats if not beat.is_draining),
            busy_slots=sum(beat.busy_slots for beat in beats),
        )

    def slots_to_fill(self, pool: str) -> int:
        """Slots that work is requested for."""
        return max(self.capacity(pool).slots, _UNHEARD_SLOTS)

    def slowest_beat_s(self, pool: str) -> float:
        """Seconds between two heartbeats of the pool's slowest living trainer; 0 if none lives."""
        return max((beat.every_s for beat in self._beats(pool)), default=0.0)

    def pools(self) -> set[str]:
        """The pools with a living trainer."""
        return {pool for pool in tuple(self._pools) if self._beats(pool)}

    def holds(self, pool: str, run_id: UUID, fold: int | None) -> bool:
        """Whether a living trainer of the pool holds this request."""
        held = self._pools.get(pool, _Pool()).held
        return self._clock() - held.get((run_id, fold), float("-inf")) < SILENCE_LIMIT_S

    def show(self, pool: str) -> None:
        """Set the pool's metrics: also when nothing is heard any more."""
        capacity = self.capacity(pool)
        SLOTS.labels(pool).set(capacity.slots)
        BUSY.labels(pool).set(capacity.busy_slots)
        TRAINERS.labels(pool).set(capacity.trainers)

    def _beats(self, pool: str) -> list[Heartbeat]:
        now = self._clock()
        return [beat for at, beat in self._pools.get(pool, _Pool()).heard.values() if now - at < SILENCE_LIMIT_S]
