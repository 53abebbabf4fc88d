"""What the orchestrator believes of trainers: their last heartbeat, for a while."""

from uuid import uuid4

from prometheus_client import REGISTRY

from services.orchestrator.trainers import SILENCE_LIMIT_S, PoolCapacity, Trainers
from shared.bus.telemetry import Heartbeat, Held


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def heartbeat(trainer: str, slots: int, *held: Held, busy: int = 0, draining: bool = False) -> Heartbeat:
    return Heartbeat(trainer=trainer, slots=slots, busy_slots=busy, is_draining=draining, held=held)


async def test_slots_are_those_of_all_that_live_and_do_not_drain() -> None:
    clock = Clock()
    trainers = Trainers(clock)
    await trainers.hear(heartbeat("one", 2, busy=1), "trainer-default")
    await trainers.hear(heartbeat("two", 4), "trainer-default")
    await trainers.hear(heartbeat("three", 8, busy=8, draining=True), "trainer-default")
    await trainers.hear(heartbeat("one", 16), "trainer-gpu")
    assert trainers.capacity("default") == PoolCapacity(trainers=3, slots=6, busy_slots=9)
    assert trainers.pools() == {"default", "gpu"}


async def test_a_trainer_that_is_silent_is_taken_for_gone_with_all_that_it_held() -> None:
    clock = Clock()
    trainers = Trainers(clock)
    held = Held(run_id=uuid4(), fold=None)
    await trainers.hear(heartbeat("one", 2, held), "trainer-default")
    assert trainers.holds(held.run_id, None)
    assert not trainers.holds(held.run_id, 0)
    clock.now += SILENCE_LIMIT_S
    assert not trainers.holds(held.run_id, None)
    assert trainers.capacity("default") == PoolCapacity(trainers=0, slots=0, busy_slots=0)
    assert trainers.pools() == set()


async def test_a_pool_whose_trainers_are_gone_is_shown_so_though_nobody_says_it() -> None:
    clock = Clock()
    trainers = Trainers(clock)
    await trainers.hear(heartbeat("one", 2), "trainer-shown")
    assert REGISTRY.get_sample_value("palio_pool_trainers", {"pool": "shown"}) == 1
    clock.now += SILENCE_LIMIT_S
    trainers.show("shown")
    assert REGISTRY.get_sample_value("palio_pool_trainers", {"pool": "shown"}) == 0


async def test_a_pool_of_which_nothing_is_heard_gets_work_for_one_slot() -> None:
    trainers = Trainers(Clock())
    assert trainers.slots_to_fill("default") == 1
    await trainers.hear(heartbeat("one", 3), "trainer-default")
    assert trainers.slots_to_fill("default") == 3


async def test_the_pool_is_the_one_whose_user_spoke_and_nobody_elses_word_counts() -> None:
    trainers = Trainers(Clock())
    await trainers.hear(heartbeat("one", 3), "leaderboard")
    assert trainers.pools() == set()
