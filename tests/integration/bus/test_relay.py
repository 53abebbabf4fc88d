"""The relay between a real ledger and a real broker: in order, at least once, one at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue, AbstractRobustConnection
from aio_pika.exceptions import DeliveryError
from sqlalchemy import Engine

from services.relay.cursor import ActiveCursor
from services.relay.publishing import relay_batch
from shared.bus.connection import get_exchange, open_publishing_channel
from shared.bus.topology import EVENTS, event_queue
from shared.events import JoinApproved, Metadata, RecordedEvent, Service
from shared.ledger import NewEvent, append, head_position
from tests.support.waiting import wait_for

METADATA = Metadata(correlation_id="a test")
QUEUE = event_queue(Service.LEADERBOARD)


@pytest.fixture
async def relay(amqp_url: Callable[[str], str]) -> AsyncIterator[AbstractRobustConnection]:
    async with await aio_pika.connect_robust(amqp_url("relay")) as connection:
        yield connection


@pytest.fixture
async def queue(amqp_url: Callable[[str], str]) -> AsyncIterator[AbstractQueue]:
    async with await aio_pika.connect_robust(amqp_url("operator")) as connection:
        queue = await (await connection.channel()).get_queue(QUEUE, ensure=False)
        await queue.purge()
        yield queue


@pytest.fixture
def cursor(engine_of: Callable[[str], Engine]) -> ActiveCursor:
    """A cursor at the ledger's end."""
    engine = engine_of("relay")
    cursor = ActiveCursor(engine)
    assert cursor.acquire()
    with engine.connect() as connection:
        cursor.advance(head_position(connection))
    return cursor


def append_joins(engine: Engine, count: int) -> int:
    with engine.begin() as connection:
        new = [NewEvent(JoinApproved(challenge_id="iris", team_id=uuid4()), METADATA) for _ in range(count)]
        return append(connection, new).position


async def positions(queue: AbstractQueue) -> list[int]:
    found: list[int] = []
    while (message := await queue.get(no_ack=True, fail=False, timeout=5)) is not None:
        found.append(RecordedEvent.from_cloudevent(message.body).position)
    return found


async def test_events_arrive_in_ledger_order_and_the_place_moves_with_them(
    relay: AbstractRobustConnection, queue: AbstractQueue, cursor: ActiveCursor, engine_of: Callable[[str], Engine]
) -> None:
    last = append_joins(engine_of("ingest"), 250)
    exchange = await get_exchange(await open_publishing_channel(relay), EVENTS)
    while await relay_batch(exchange, cursor, 100):
        pass
    assert await positions(queue) == list(range(last - 249, last + 1))
    assert cursor.position() == last
    cursor.release()


async def test_a_relay_that_died_before_its_place_moved_publishes_again(
    relay: AbstractRobustConnection,
    queue: AbstractQueue,
    cursor: ActiveCursor,
    engine_of: Callable[[str], Engine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = append_joins(engine_of("ingest"), 3)
    exchange = await get_exchange(await open_publishing_channel(relay), EVENTS)

    def die(_position: int) -> None:
        raise ConnectionError

    with monkeypatch.context() as dying:
        dying.setattr(cursor, "advance", die)
        with pytest.raises(ConnectionError):
            await relay_batch(exchange, cursor, 10)
    await relay_batch(exchange, cursor, 10)
    assert await positions(queue) == [*range(last - 2, last + 1)] * 2
    cursor.release()


async def test_a_second_relay_stands_by_until_the_first_is_gone(cursor: ActiveCursor, engine_of: Callable[[str], Engine]) -> None:
    standby = ActiveCursor(engine_of("relay"))
    assert not standby.acquire()
    cursor.release()
    await wait_for(standby.acquire, "the standby to take over")
    standby.release()


async def test_an_event_that_no_queue_takes_stops_the_relay_there(
    relay: AbstractRobustConnection,
    queue: AbstractQueue,
    cursor: ActiveCursor,
    engine_of: Callable[[str], Engine],
    amqp_url: Callable[[str], str],
) -> None:
    last = append_joins(engine_of("ingest"), 1)
    exchange = await get_exchange(await open_publishing_channel(relay), EVENTS)
    async with await aio_pika.connect_robust(amqp_url("operator")) as operator:
        channel = await operator.channel()
        events = await channel.get_exchange(EVENTS, ensure=False)
        bound = await channel.get_queue(QUEUE, ensure=False)
        await bound.unbind(events, "JoinApproved.#")
        try:
            with pytest.raises(DeliveryError):
                await relay_batch(exchange, cursor, 10)
            assert cursor.position() == last - 1
        finally:
            await bound.bind(events, "JoinApproved.#")
    await relay_batch(exchange, cursor, 10)
    assert await positions(queue) == [last]
    cursor.release()


async def test_the_cursor_wakes_when_the_ledger_grows(cursor: ActiveCursor, engine_of: Callable[[str], Engine]) -> None:
    waiting = asyncio.create_task(asyncio.to_thread(cursor.wait, 30.0))
    last = append_joins(engine_of("ingest"), 1)
    await asyncio.wait_for(waiting, 10)
    assert cursor.read(10)[-1].position == last
    cursor.advance(last)
    cursor.release()
