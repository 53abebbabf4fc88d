"""The relay between a real ledger and a real broker: in order, at least once, one at a time."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import aio_pika
import httpx
import pytest
from aio_pika.abc import AbstractQueue, AbstractRobustConnection
from aio_pika.exceptions import DeliveryError
from prometheus_client import REGISTRY
from sqlalchemy import Engine, text

from services.relay import publishing
from services.relay.cursor import ActiveCursor
from services.relay.publishing import relay_batch, relay_for_ever
from shared.bus.connection import get_exchange, open_publishing_channel
from shared.bus.topology import EVENTS, event_queue
from shared.events import JoinApproved, Metadata, RecordedEvent, Service, TeamCreated
from shared.ledger import NewEvent, append, head_position
from shared.settings import RelaySettings
from shared.telemetry import Readiness
from tests.support.breakable_way import breakable_way
from tests.support.goldens import golden
from tests.support.relays import running_relay
from tests.support.waiting import wait_for, wait_until

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


async def test_an_unroutable_event_is_seen_in_metric_and_readiness_and_does_not_flood_those_behind_it(
    relay: AbstractRobustConnection,
    queue: AbstractQueue,
    cursor: ActiveCursor,
    engine_of: Callable[[str], Engine],
    amqp_url: Callable[[str], str],
    database_url: Callable[[str], str],
) -> None:
    first = append_joins(engine_of("ingest"), 1)
    with engine_of("ingest").begin() as connection:
        team = TeamCreated(team_id=uuid4(), name="x", members=(uuid4(),))
        last = append(connection, [NewEvent(team, METADATA)]).position
    readiness = Readiness()
    async with await aio_pika.connect_robust(amqp_url("operator")) as operator:
        channel = await operator.channel()
        events = await channel.get_exchange(EVENTS, ensure=False)
        bound = await channel.get_queue(QUEUE, ensure=False)
        await bound.unbind(events, "JoinApproved.#")
        before = unroutable()
        try:
            async with relaying(relay, cursor, database_url, amqp_url, readiness):
                # Tried again, each time seen.
                await wait_for(lambda: unroutable() >= before + 3, "the event to be tried three times")
                assert f"events wait at position {first - 1}" in readiness.obstacles()["relay"]
                assert "DeliveryError" in readiness.obstacles()["relay"] or "PublishError" in readiness.obstacles()["relay"]
                await bound.bind(events, "JoinApproved.#")
                await wait_for(lambda: position_of(engine_of("relay")) == last, "the relay to go on")
                await wait_for(lambda: not readiness.obstacles(), "the relay to say that all is well")
        finally:
            await bound.bind(events, "JoinApproved.#")
    assert await positions(queue) == [last, first, last], "what stood behind it went out with the first try, and in its turn"


async def test_work_for_a_pool_without_a_queue_is_seen_and_holds_up_nobody(
    relay: AbstractRobustConnection,
    cursor: ActiveCursor,
    engine_of: Callable[[str], Engine],
    amqp_url: Callable[[str], str],
    database_url: Callable[[str], str],
) -> None:
    request = golden("FoldRequested").model_copy(update={"pool": "pool-of-last-year"})
    with engine_of("orchestrator").begin() as connection:
        append(connection, [NewEvent(request, METADATA)])
    last = append_joins(engine_of("ingest"), 1)
    before = unroutable()
    async with relaying(relay, cursor, database_url, amqp_url, Readiness()):
        await wait_for(lambda: position_of(engine_of("relay")) == last, "the relay to pass it by")
    assert unroutable() == before + 1


async def test_a_newer_version_of_a_known_event_stops_the_relay_there_and_asks_for_an_upgrade(
    relay: AbstractRobustConnection,
    queue: AbstractQueue,
    cursor: ActiveCursor,
    engine_of: Callable[[str], Engine],
    amqp_url: Callable[[str], str],
    database_url: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = append_joins(engine_of("ingest"), 2)
    with monkeypatch.context() as future:
        future.setattr(JoinApproved, "schema_version", 2)
        append_joins(engine_of("ingest"), 1)
    append_joins(engine_of("ingest"), 1)
    readiness = Readiness()
    async with relaying(relay, cursor, database_url, amqp_url, readiness):
        await wait_for(lambda: "upgrade this service" in readiness.obstacles().get("relay", ""), "the relay to ask for it")
    assert await positions(queue) == [before - 1, before], "nothing of what comes after it"
    assert position_of(engine_of("relay")) == before


async def test_a_broker_that_is_away_is_told_of_and_waited_for(
    cursor: ActiveCursor,
    engine_of: Callable[[str], Engine],
    amqp_url: Callable[[str], str],
    database_url: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also one that went away while nothing was to be published: then nothing fails, and waiting must not be silent."""
    monkeypatch.setattr(publishing, "READY_TIMEOUT_S", 0.2)
    readiness = Readiness()
    place = httpx.URL(amqp_url("relay"))
    async with breakable_way(str(place.host), int(place.port or 5672)) as way:
        url = str(place.copy_with(port=way.port))
        async with (
            await aio_pika.connect_robust(url, reconnect_interval=0.2) as connection,
            relaying(connection, cursor, database_url, amqp_url, readiness),
        ):
            first = append_joins(engine_of("ingest"), 1)
            await wait_for(lambda: position_of(engine_of("relay")) == first, "the relay to be at work")
            await way.close()
            last = append_joins(engine_of("ingest"), 1)
            await wait_for(lambda: "relay" in readiness.obstacles(), "the relay to say that events wait", 15)
            await way.open()
            await wait_for(lambda: position_of(engine_of("relay")) == last, "the relay to go on")
            await wait_for(lambda: not readiness.obstacles(), "the relay to say that all is well")


def test_a_standby_takes_over_from_a_relay_that_is_killed(
    engine_of: Callable[[str], Engine], amqp_url: Callable[[str], str], database_url: Callable[[str], str]
) -> None:
    environment = {"PATH": os.environ["PATH"], "PALIO_DATABASE_URL": database_url("relay"), "PALIO_AMQP_URL": amqp_url("relay")}
    with running_relay(environment) as first:
        wait_until(first.is_active, "the first relay to be active")
        with running_relay(environment) as standby:
            wait_until(
                lambda: standby.metric("palio_relay_active") is not None and '"ready"' in standby.readiness(), "the standby"
            )
            assert not standby.is_active()
            append_joins(engine_of("ingest"), 3)
            first.kill()
            last = append_joins(engine_of("ingest"), 3)
            # The system closes the dead one's connection, and with it the lock; the standby looks every second.
            wait_until(standby.is_active, "the standby to take over")
            wait_until(lambda: position_of(engine_of("relay")) == last, "everything to be published")


@asynccontextmanager
async def relaying(
    connection: AbstractRobustConnection,
    cursor: ActiveCursor,
    database_url: Callable[[str], str],
    amqp_url: Callable[[str], str],
    readiness: Readiness,
) -> AsyncIterator[None]:
    """The relay's loop, for the length of a `with`."""
    settings = RelaySettings.model_validate(
        {"database_url": database_url("relay"), "amqp_url": amqp_url("relay"), "relay_batch": 100, "relay_poll_s": 0.2}
    )
    loop = asyncio.create_task(relay_for_ever(connection, cursor, settings, readiness))
    try:
        yield
        assert not loop.done(), "the relay has ended"
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


def unroutable() -> float:
    return REGISTRY.get_sample_value("palio_relay_unroutable_total") or 0


def position_of(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT position FROM checkpoint")).scalar_one())
