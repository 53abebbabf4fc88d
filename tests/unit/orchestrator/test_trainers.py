"""What the orchestrator believes of trainers: their last heartbeat, for a while."""

from uuid import uuid4

from prometheus_client import REGISTRY

from services.orchestrator.trainers import MAX_HELD, MAX_TRAINERS, SILENCE_LIMIT_S, PoolCapacity, Trainers
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
    assert trainers.holds("default", held.run_id, None)
    assert not trainers.holds("default", held.run_id, 0)
    clock.now += SILENCE_LIMIT_S
    assert not trainers.holds("default", held.run_id, None)
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


async def test_no_trainer_can_say_that_it_holds_what_was_requested_of_another_pool() -> None:
    trainers = Trainers(Clock())
    held = Held(run_id=uuid4(), fold=None)
    await trainers.hear(heartbeat("liar", 2, held), "trainer-other")
    assert not trainers.holds("default", held.run_id, None)


async def test_a_pool_whose_trainers_are_without_number_crowds_nobody_out() -> None:
    trainers = Trainers(Clock())
    for number in range(MAX_TRAINERS + 1):
        await trainers.hear(heartbeat(f"liar {number}", 1), "trainer-other")
    await trainers.hear(heartbeat("honest", 3), "trainer-default")
    assert trainers.capacity("other").trainers == MAX_TRAINERS
    assert trainers.capacity("default").slots == 3
    # Who is known already is still heard.
    await trainers.hear(heartbeat("liar 0", 5), "trainer-other")
    assert trainers.capacity("other").slots == MAX_TRAINERS + 4


async def test_what_trainers_say_that_they_hold_is_bounded() -> None:
    trainers = Trainers(Clock())
    run_id = uuid4()
    first = Held(run_id=run_id, fold=0)
    for number in range(MAX_HELD // 10_000 + 1):
        many = (Held(run_id=run_id, fold=number * 10_000 + each) for each in range(10_000))
        await trainers.hear(heartbeat(f"liar {number}", 1, *many), "trainer-other")
    assert trainers.holds("other", run_id, 0)
    assert not trainers.holds("other", run_id, MAX_HELD)
    await trainers.hear(heartbeat("liar 0", 1, first), "trainer-other")
    assert trainers.holds("other", run_id, 0)
