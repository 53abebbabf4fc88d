"""The consumer loop against a real broker: acknowledge, wait, dead-letter."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue, AbstractRobustConnection

from shared.bus.consumer import MAX_TRIES, Consumer, ForeignEventError, RejectedError, TransientError
from shared.bus.topology import DEAD_LETTERS, EVENTS, event_queue
from shared.events import NewerVersionError, Service, UnknownTypeError
from shared.telemetry import Readiness

QUEUE = event_queue(Service.SCORER)
Handle = Callable[[bytes], None]


@pytest.fixture
async def operator(amqp_url: Callable[[str], str]) -> AsyncIterator[AbstractRobustConnection]:
    async with await aio_pika.connect_robust(amqp_url("operator")) as connection:
        channel = await connection.channel()
        for name in (QUEUE, DEAD_LETTERS):
            await (await channel.get_queue(name, ensure=False)).purge()
        yield connection


@pytest.fixture
async def dead_letters(operator: AbstractRobustConnection) -> AbstractQueue:
    return await (await operator.channel()).get_queue(DEAD_LETTERS, ensure=False)


async def publish(operator: AbstractRobustConnection, *bodies: bytes) -> None:
    exchange = await (await operator.channel()).get_exchange(EVENTS, ensure=False)
    for body in bodies:
        await exchange.publish(aio_pika.Message(body), routing_key="ProblemPublished")


@asynccontextmanager
async def consuming(
    amqp_url: Callable[[str], str],
    handle: Callable[[AbstractIncomingMessage], Awaitable[None]],
    readiness: Readiness | None = None,
) -> AsyncIterator[None]:
    """A consumer with the scorer's own rights, running for the length of a `with`."""
    async with await aio_pika.connect_robust(amqp_url("scorer")) as connection:
        consumer = asyncio.create_task(Consumer(connection, QUEUE, handle, readiness or Readiness()).run())
        try:
            async with asyncio.timeout(30):
                yield
        finally:
            consumer.cancel()
            await asyncio.gather(consumer, return_exceptions=True)


async def count_left(operator: AbstractRobustConnection) -> int:
    """Messages that the queue still holds once its consumers are gone, unacknowledged ones given back."""
    queue = await (await operator.channel()).get_queue(QUEUE, ensure=False)
    count = 0
    while await queue.get(no_ack=True, fail=False, timeout=5) is not None:
        count += 1
    return count


async def test_a_handled_message_is_acknowledged_and_gone(
    operator: AbstractRobustConnection, amqp_url: Callable[[str], str]
) -> None:
    bodies: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle(message: AbstractIncomingMessage) -> None:
        await bodies.put(message.body)

    await publish(operator, b"first", b"second", b"third")
    async with consuming(amqp_url, handle):
        # With one message at a time, the third is handled only after the second was acknowledged.
        assert [await bodies.get() for _ in range(3)] == [b"first", b"second", b"third"]
    assert await count_left(operator) <= 1


async def test_a_message_that_can_never_be_handled_goes_to_the_dead_letters_with_the_reason(
    operator: AbstractRobustConnection, dead_letters: AbstractQueue, amqp_url: Callable[[str], str]
) -> None:
    async def handle(_message: AbstractIncomingMessage) -> None:
        raise RejectedError("this is nonsense")

    await publish(operator, b"nonsense")
    async with consuming(amqp_url, handle):
        dead = await next_message(dead_letters)
    assert dead.body == b"nonsense"
    assert dead.headers["palio-reason"] == "this is nonsense"
    assert dead.headers["palio-queue"] == QUEUE
    assert await count_left(operator) == 0


async def test_a_server_that_is_away_is_waited_for_in_place_and_shown(
    operator: AbstractRobustConnection, amqp_url: Callable[[str], str]
) -> None:
    readiness = Readiness()
    shown: list[dict[str, str]] = []
    back = asyncio.Event()

    async def handle(message: AbstractIncomingMessage) -> None:
        shown.append(readiness.obstacles())
        assert not message.redelivered, "it was handed back instead of kept"
        if len(shown) < 4:
            raise TransientError("the store is away")
        back.set()

    await publish(operator, b"work")
    async with consuming(amqp_url, handle, readiness):
        await back.wait()
    assert [bool(obstacles) for obstacles in shown] == [False, True, True, True]


@pytest.mark.parametrize("error", [UnknownTypeError("TeamDissolved"), ForeignEventError("of a ledger that is no more")])
async def test_an_event_of_a_later_release_or_of_another_ledger_is_passed_over(
    operator: AbstractRobustConnection, dead_letters: AbstractQueue, amqp_url: Callable[[str], str], error: Exception
) -> None:
    second = asyncio.Event()

    async def handle(message: AbstractIncomingMessage) -> None:
        if message.body == b"from elsewhere":
            raise error
        second.set()

    await publish(operator, b"from elsewhere", b"known")
    async with consuming(amqp_url, handle):
        await second.wait()
    assert await dead_letters.get(fail=False, no_ack=True) is None


async def test_a_newer_version_of_a_known_event_is_kept_and_asks_for_an_upgrade(
    operator: AbstractRobustConnection, amqp_url: Callable[[str], str]
) -> None:
    readiness = Readiness()
    tries: asyncio.Queue[None] = asyncio.Queue()

    async def handle(_message: AbstractIncomingMessage) -> None:
        await tries.put(None)
        raise NewerVersionError("upgrade this service")

    await publish(operator, b"newer")
    async with consuming(amqp_url, handle, readiness):
        for _ in range(3):
            await tries.get()
        assert "upgrade this service" in str(readiness.obstacles())
    assert await count_left(operator) == 1


async def test_a_defect_is_tried_a_few_times_and_then_buried_so_that_the_queue_goes_on(
    operator: AbstractRobustConnection, dead_letters: AbstractQueue, amqp_url: Callable[[str], str]
) -> None:
    tries: dict[bytes, int] = {}
    second = asyncio.Event()

    async def handle(message: AbstractIncomingMessage) -> None:
        tries[message.body] = tries.get(message.body, 0) + 1
        if message.body == b"poison":
            raise ZeroDivisionError
        second.set()

    await publish(operator, b"poison", b"good")
    async with consuming(amqp_url, handle):
        await second.wait()
        dead = await next_message(dead_letters)
    assert tries == {b"poison": MAX_TRIES, b"good": 1}
    assert "ZeroDivisionError" in str(dead.headers["palio-reason"])


async def test_what_a_stopped_consumer_had_not_finished_comes_back(
    operator: AbstractRobustConnection, amqp_url: Callable[[str], str]
) -> None:
    begun = asyncio.Event()

    async def handle(_message: AbstractIncomingMessage) -> None:
        begun.set()
        await asyncio.Event().wait()

    await publish(operator, b"long work")
    async with consuming(amqp_url, handle):
        await begun.wait()
    assert await count_left(operator) == 1


async def next_message(queue: AbstractQueue) -> AbstractIncomingMessage:
    """The next message of a queue, waited for."""
    arrived: asyncio.Future[AbstractIncomingMessage] = asyncio.get_running_loop().create_future()

    async def take(message: AbstractIncomingMessage) -> None:
        if not arrived.done():
            arrived.set_result(message)

    tag = await queue.consume(take, no_ack=True)
    message = await asyncio.wait_for(arrived, 30)
    await queue.cancel(tag)
    return message
