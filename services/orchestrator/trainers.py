"""Which trainers live, how many slots they have and what they hold, from their heartbeats. In memory only: it is said again."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from prometheus_client import Gauge

from shared.bus.telemetry import AnyTelemetry, Heartbeat
from shared.bus.topology import TRAINER_USER_PREFIX

#: A trainer that has said nothing for so long, three heartbeats, is taken for gone.
SILENCE_LIMIT_S = 15.0
#: What a trainer that lies may make the orchestrator believe.
_MAX_TRAINERS = 10_000
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


class Trainers:
    """What the trainers said last. For one event loop; reading is safe from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[tuple[str, str], tuple[float, Heartbeat]] = {}
        self._held: dict[tuple[UUID, int | None], float] = {}

    async def hear(self, said: AnyTelemetry, user: str) -> None:
        """Take in a heartbeat; its pool is that of the user who said it."""
        if not isinstance(said, Heartbeat) or not user.startswith(TRAINER_USER_PREFIX):
            return
        now = self._clock()
        self._heard = {key: (at, beat) for key, (at, beat) in self._heard.items() if now - at < SILENCE_LIMIT_S}
        if len(self._heard) >= _MAX_TRAINERS:
            return
        pool = user.removeprefix(TRAINER_USER_PREFIX)
        self._heard[pool, said.trainer] = (now, said)
        self._held = {key: at for key, at in self._held.items() if now - at < SILENCE_LIMIT_S}
        self._held.update({(held.run_id, held.fold): now for held in said.held})
        self.show(pool)

    def capacity(self, pool: str) -> PoolCapacity:
        """What lives in a pool now."""
        beats = self._beats().get(pool, [])
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
        return max((beat.every_s for beat in self._beats().get(pool, [])), default=0.0)

    def pools(self) -> set[str]:
        """The pools with a living trainer."""
        return set(self._beats())

    def holds(self, run_id: UUID, fold: int | None) -> bool:
        """Whether a living trainer holds this request."""
        return self._clock() - self._held.get((run_id, fold), float("-inf")) < SILENCE_LIMIT_S

    def show(self, pool: str) -> None:
        """Set the pool's metrics: also when nothing is heard any more."""
        capacity = self.capacity(pool)
        SLOTS.labels(pool).set(capacity.slots)
        BUSY.labels(pool).set(capacity.busy_slots)
        TRAINERS.labels(pool).set(capacity.trainers)

    def _beats(self) -> dict[str, list[Heartbeat]]:
        now = self._clock()
        beats: dict[str, list[Heartbeat]] = defaultdict(list)
        for (pool, _), (at, beat) in tuple(self._heard.items()):
            if now - at < SILENCE_LIMIT_S:
                beats[pool].append(beat)
        return beats
