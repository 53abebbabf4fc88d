"""Publishing: a batch at a time, in ledger order, each message confirmed; the place moves to the last contiguous confirm.

Dies before the place moved: the next relay publishes those events again, with the same ids, and consumers know them. Dies
after: they are confirmed, hence on disk at the broker. An event that no queue takes, though its type has consumers, is a
broker without its definitions: the relay stays at that position, says so, and tries again, since going on would lose it. What
comes after it in its batch has gone out by then. Work for a pool whose queue is gone is passed by: it is requested again. A known event
in a newer version stops the relay too, which can't tell where it goes: upgrade the relay.
"""

import asyncio
from collections.abc import Sequence

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractRobustConnection
from aio_pika.exceptions import DeliveryError
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import DBAPIError

from services.relay.cursor import ActiveCursor
from shared.bus.connection import get_exchange, open_publishing_channel
from shared.bus.consumer import BROKER_ERRORS
from shared.bus.topology import EVENTS
from shared.events import EVENT_TYPES, NewerVersionError, RecordedEvent, Service, UnknownTypeError, WorkRequest
from shared.events.envelope import CONTENT_TYPE
from shared.faults import fault_point
from shared.settings import RelaySettings
from shared.telemetry import Readiness, get_logger

log = get_logger(__name__)

PUBLISHED = Counter("palio_relay_published_total", "Events that the broker confirmed")
POSITION = Gauge("palio_relay_position", "Last position that the broker confirmed, with all before it")
UNROUTABLE = Counter("palio_relay_unroutable_total", "Events that no queue took")
ACTIVE = Gauge("palio_relay_active", "1 for the relay that publishes, 0 for one that stands by")

STANDBY_PAUSE_S = 1.0
#: A broker that is away answers no confirm: give up after this, and publish the batch again.
CONFIRM_TIMEOUT_S = 30.0
READY_TIMEOUT_S = 5.0
RETRY_PAUSE_S = 1.0


async def relay_for_ever(
    connection: AbstractRobustConnection, cursor: ActiveCursor, settings: RelaySettings, readiness: Readiness
) -> None:
    """Publish whenever this relay is the active one; ends only by being cancelled."""
    channel = await open_publishing_channel(connection)
    exchange = await get_exchange(channel, EVENTS)
    limit = settings.relay_batch
    try:
        while True:
            try:
                if not await asyncio.to_thread(cursor.acquire):
                    ACTIVE.set(0)
                    await asyncio.sleep(STANDBY_PAUSE_S)
                    continue
                ACTIVE.set(1)
                async with asyncio.timeout(READY_TIMEOUT_S):
                    # Else publishing would wait for the broker without a bound and without a word.
                    await connection.ready()
                more = await relay_batch(exchange, cursor, limit)
                readiness.clear("relay")
                if limit < settings.relay_batch:
                    limit = settings.relay_batch
                elif not more:
                    await asyncio.to_thread(cursor.wait, settings.relay_poll_s)
            except DBAPIError as error:
                log.warning("waiting_for_database", error=str(error.orig))
                readiness.blocked("relay", "the database is away, trying again")
                ACTIVE.set(0)
                await asyncio.to_thread(cursor.release)
                await asyncio.sleep(RETRY_PAUSE_S)
            except (*BROKER_ERRORS, NewerVersionError) as error:
                log.error("not_published", error=repr(error))
                words = str(error) if isinstance(error, NewerVersionError) else repr(error)
                # Only the one that is in the way is tried again, not all that stand behind it.
                readiness.blocked("relay", f"events wait at position {POSITION._value.get():.0f}: {words}")  # noqa: SLF001  (no public reader)
                limit = 1
                await asyncio.sleep(RETRY_PAUSE_S)
    finally:
        cursor.release()


async def relay_batch(exchange: AbstractExchange, cursor: ActiveCursor, limit: int) -> bool:
    """Publish the next events and move the place; True if there may be more. Raises what kept the first one from being confirmed."""
    events = await asyncio.to_thread(cursor.read, limit)
    if not events:
        return False
    # Also for a relay that has just taken over, or that can't get on.
    POSITION.set(events[0].position - 1)
    routes, newer = routes_of(events)
    fault_point("relay", "read")
    # Tasks start in the order they are made, and aio-pika writes under a fair lock: frames leave in ledger order, and the
    # confirms of the whole batch are awaited together.
    publishing = [asyncio.create_task(_publish(exchange, *each)) for each in zip(events, routes, strict=False)]
    results = await _results(publishing)
    confirmed, failure = contiguous(events, results)
    fault_point("relay", "confirmed")
    if confirmed:
        await asyncio.to_thread(cursor.advance, confirmed[-1].position)
        fault_point("relay", "advanced")
        PUBLISHED.inc(len(confirmed))
        POSITION.set(confirmed[-1].position)
    if failure is None:
        failure = newer
    if failure is not None:
        raise failure
    return len(events) == limit


async def _results(publishing: Sequence[asyncio.Task[None]]) -> list[BaseException | None]:
    """What became of each, within a bound for all of them."""
    if publishing:
        _, late = await asyncio.wait(publishing, timeout=CONFIRM_TIMEOUT_S)
        for task in late:
            # All in one step: were each to give up by itself, a later one could still go out where an earlier one has not.
            task.cancel()
    results = await asyncio.gather(*publishing, return_exceptions=True)
    return [TimeoutError("the broker confirms nothing") if isinstance(each, asyncio.CancelledError) else each for each in results]


def routes_of(events: Sequence[RecordedEvent]) -> tuple[list[tuple[str, bool]], NewerVersionError | None]:
    """Where events go, up to the first of which this release can't tell, and why it can't."""
    routes = []
    for recorded in events:
        try:
            routes.append(route(recorded))
        except NewerVersionError as error:
            return routes, error
    return routes, None


def contiguous(
    events: Sequence[RecordedEvent], results: Sequence[BaseException | None]
) -> tuple[Sequence[RecordedEvent], BaseException | None]:
    """The events before the first that was not confirmed, and why that one was not."""
    for number, result in enumerate(results):
        if result is not None:
            return events[:number], result
    return events[: len(results)], None


async def _publish(exchange: AbstractExchange, recorded: RecordedEvent, route: tuple[str, bool]) -> None:
    message = aio_pika.Message(
        recorded.to_cloudevent(),
        message_id=str(recorded.id),
        type=recorded.type,
        content_type=CONTENT_TYPE,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        correlation_id=recorded.metadata.correlation_id,
        # Verified by the broker: what is found among the dead letters under this name is from the ledger.
        user_id=Service.RELAY,
    )
    routing_key, has_consumers = route
    try:
        await exchange.publish(message, routing_key=routing_key, mandatory=has_consumers)
    except DeliveryError:
        UNROUTABLE.inc()
        log.error("unroutable", type=recorded.type, position=recorded.position, routing_key=routing_key)
        if not issubclass(EVENT_TYPES[recorded.type], WorkRequest):
            raise
        # A pool that left the broker's definitions while it had work. Nothing is lost: the orchestrator requests again what nobody
        # holds, once the pool is back; and meanwhile one pool's mistake must not stop all others'.


def route(recorded: RecordedEvent) -> tuple[str, bool]:
    """The routing key, and whether some queue must take it. Types without a consumer, and types of a later release, need none."""
    try:
        event = recorded.event()
    except UnknownTypeError:
        return recorded.type, False
    return event.routing_key, bool(EVENT_TYPES[recorded.type].consumed_by)
