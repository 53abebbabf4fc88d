"""The loop that every consumer runs: take a message, handle it, and say acknowledge, retry or dead-letter.

- The handler returned: acknowledge. Its work is durable by then, so a death before the acknowledgement only repeats it.
- It raised `RejectedError`: the message can never be handled. Publish it to the dead letters with the reason, confirmed, then
  acknowledge; a death between the two leaves a copy more there, never one less.
- It raised `UnknownTypeError`: an event of a later release that is none of this one's business. Count, acknowledge.
- It raised `ForeignEventError`: an event of the ledger as it was before a backup was restored. Count, log, acknowledge.
- It raised `NewerVersionError`: a known event that this release can't read. Skipping would lose it, so this consumer stays
  at it, with a red health check that says "upgrade this service".
- It raised one of `TRANSIENT`, or this host is out of disk or memory: a server is away. Wait, longer each time, and handle the same message again, without giving it back:
  others could not do better, and the order stays.
- Anything else is a defect of ours. Tried `MAX_TRIES` times, since it may be a race, then dead-lettered with the reason.
"""

import asyncio
import errno
import importlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import cast

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage, AbstractRobustConnection, FieldValue
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError
from prometheus_client import Counter

from shared.bus.connection import get_exchange, open_publishing_channel
from shared.bus.topology import DEAD_LETTERS
from shared.events import NewerVersionError, UnknownTypeError
from shared.faults import fault_point
from shared.telemetry import Readiness, get_logger

log = get_logger(__name__)

HANDLED = Counter("palio_messages_total", "Messages taken from a queue, by what became of them", ["queue", "result"])

MAX_TRIES = 5
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 15.0
CONFIRM_TIMEOUT_S = 30.0
#: Headers of a buried message: why, from which queue, under which key and in whose name it had come, and its own headers.
REASON, ORIGIN_QUEUE, ORIGIN_KEY, ORIGIN_USER = "palio-reason", "palio-queue", "palio-routing-key", "palio-user"
ORIGIN_HEADERS = "palio-headers"
#: All headers of a message must fit into one frame of 128 KiB, and what AMQP calls a short text into 255 bytes.
_MAX_HEADERS_BYTES = 16 * 2**10
_MAX_SHORT_BYTES = 255
#: How long work that was ended may take to tidy up, before its messages are handed back anyway.
TIDYING_S = 10.0
#: What the broker, or the way to it, says when it is away. A channel that is gone raises a RuntimeError of its own.
BROKER_ERRORS = (AMQPError, ChannelInvalidStateError, ConnectionError, TimeoutError)
#: This host has run out of something: others, or a moment later, can do the work.
SHORTAGES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})

Handler = Callable[[AbstractIncomingMessage], Awaitable[None]]


class RejectedError(Exception):
    """This message can never be handled; the text is the reason that operators read."""


class ForeignEventError(Exception):
    """An event that the ledger does not hold: it is of one that is no more, and nothing follows from it."""


class TransientError(Exception):
    """Something that this work needs is away; the same work will go through later."""


def transient_errors() -> tuple[type[Exception], ...]:
    """The errors after which the same work may succeed: those of servers that are away, as far as this service has their clients."""
    errors: list[type[Exception]] = [TransientError, *BROKER_ERRORS]
    with suppress(ImportError):
        # A service without the object store has no urllib3, and a trainer no SQLAlchemy.
        errors.append(importlib.import_module("urllib3.exceptions").HTTPError)
    with suppress(ImportError):
        # A store that answers, but with an error of its own: starting, overloaded, without its volumes, with other keys.
        errors.append(importlib.import_module("minio.error").MinioException)
    with suppress(ImportError):
        database = importlib.import_module("sqlalchemy.exc")
        errors += [database.OperationalError, database.InterfaceError, database.TimeoutError]
    return tuple(errors)


TRANSIENT = transient_errors()


def worth_waiting_for(error: Exception) -> bool:
    """Whether the same work may go through later. A newer version waits for this service's upgrade as for a server."""
    return isinstance(error, (*TRANSIENT, NewerVersionError)) or (isinstance(error, OSError) and error.errno in SHORTAGES)


class Consumer:
    """Consumes one queue until it is cancelled. `prefetch` messages are handled at the same time, or one after the other."""

    def __init__(
        self,
        connection: AbstractRobustConnection,
        queue: str,
        handler: Handler,
        readiness: Readiness,
        *,
        prefetch: int = 1,
        drain_s: float | None = 0.0,
    ) -> None:
        """`drain_s`: how long what is being handled may go on once `run` is cancelled; None for as long as it takes."""
        self._connection = connection
        self._queue = queue
        self._handler = handler
        self._readiness = readiness
        self._prefetch = prefetch
        self._drain_s = drain_s
        self._dead_letters: AbstractExchange | None = None
        self._working: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Consume until cancelled; then takes no more, drains, and hands back what was not finished, by closing the channel."""
        publishing = await open_publishing_channel(self._connection)
        self._dead_letters = await get_exchange(publishing, DEAD_LETTERS)
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=self._prefetch)
        # Declared passively, which takes no right to configure: aio-pika 10 consumes again after a reconnect only from queues that it
        # was told of by a declaration. A callback, not its iterator, for the same reason.
        queue = await channel.declare_queue(self._queue, passive=True)
        tag = await queue.consume(self._start)
        self._readiness.clear(f"queue {self._queue}")
        try:
            await asyncio.Event().wait()
        finally:
            if self._working and self._drain_s != 0:
                with suppress(*BROKER_ERRORS):
                    await queue.cancel(tag)
                # Cancelled a second time, it ends at once.
                await asyncio.wait(self._working, timeout=self._drain_s)
            for task in self._working:
                task.cancel()
            if self._working:
                # Before the messages go back: else another replica begins what still runs here.
                await asyncio.wait(self._working, timeout=TIDYING_S)
            await channel.close()

    async def _start(self, message: AbstractIncomingMessage) -> None:
        # aio-pika runs each delivery in a task of its own already; the set lets `run` cancel them.
        task = asyncio.current_task()
        if task is not None:
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        await self._work(message)

    async def _work(self, message: AbstractIncomingMessage) -> None:
        tries, pause_s = 0, FIRST_PAUSE_S
        while True:
            tries += 1
            try:
                await self._handler(message)
            except RejectedError as error:
                settled = await self._settle(message, "dead", str(error))
            except UnknownTypeError:
                settled = await self._settle(message, "unknown")
            except ForeignEventError as error:
                log.warning("foreign_event", queue=self._queue, reason=str(error))
                settled = await self._settle(message, "foreign")
            except Exception as error:
                if worth_waiting_for(error):
                    self._wait_for(error, pause_s)
                    settled = False
                else:
                    log.exception("handler_failed", queue=self._queue, tries=tries)
                    settled = tries >= MAX_TRIES and await self._settle(message, "dead", f"failed {tries} times: {error!r}")
            else:
                self._readiness.clear(f"queue {self._queue}")
                fault_point(self._queue, "handled")
                settled = await self._settle(message, "acknowledged")
                fault_point(self._queue, "acknowledged")
            if settled:
                return
            await asyncio.sleep(pause_s)
            if _is_gone(message):
                # It has been handed out again, perhaps to this very process: going on with it here would do the work twice.
                return
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _wait_for(self, error: Exception, pause_s: float) -> None:
        HANDLED.labels(self._queue, "waited").inc()
        log.warning("waiting", queue=self._queue, error=repr(error), pause_s=pause_s)
        self._readiness.blocked(f"queue {self._queue}", f"trying again: {error}")

    async def _settle(self, message: AbstractIncomingMessage, result: str, reason: str | None = None) -> bool:
        """Bury it if there is a reason to, and acknowledge; False if the broker did not take that, so that it is to be tried again."""
        try:
            if reason is not None:
                await self._bury(message, reason)
            await message.ack()
        except BROKER_ERRORS as error:
            log.warning("not_settled", queue=self._queue, result=result, error=repr(error))
            # A message of a channel that is gone comes again by itself, on the next one.
            return _is_gone(message)
        HANDLED.labels(self._queue, result).inc()
        return True

    async def _bury(self, message: AbstractIncomingMessage, reason: str) -> None:
        log.error("dead_letter", queue=self._queue, reason=reason)
        headers: dict[str, FieldValue] = {
            # What a stranger sent may be in it, and need not be text that AMQP takes.
            REASON: reason[:1000].encode(errors="replace").decode(),
            ORIGIN_QUEUE: self._queue,
            ORIGIN_KEY: message.routing_key or "",
            ORIGIN_USER: message.user_id or "",
            ORIGIN_HEADERS: _in_words(message.headers),
        }
        copy = aio_pika.Message(
            message.body,
            headers=headers,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            content_type=_short(message.content_type),
            correlation_id=_short(message.correlation_id),
            message_id=_short(message.message_id),
            type=_short(message.type),
            # The broker takes no other name than that of this connection: what these headers say is this service's word.
            user_id=cast("aio_pika.Connection", self._connection).url.user,
        )
        if self._dead_letters is None:
            raise RuntimeError("a consumer buries messages only while it runs")
        await self._dead_letters.publish(copy, routing_key="", timeout=CONFIRM_TIMEOUT_S)


def _in_words(headers: Mapping[str, FieldValue]) -> str:
    """Headers for people, cut."""
    try:
        words = repr(dict(headers))
    except RecursionError:
        words = "(tables in tables, too deep)"
    return words.encode(errors="backslashreplace")[:_MAX_HEADERS_BYTES].decode(errors="ignore")


def _short(text: str | None) -> str | None:
    """As much of a property as can be sent on."""
    return None if text is None else text.encode(errors="replace")[:_MAX_SHORT_BYTES].decode(errors="ignore")


def _is_gone(message: AbstractIncomingMessage) -> bool:
    """Whether the channel that it came by is closed. aio-pika raises for a closed one instead of showing it."""
    try:
        return message.channel.is_closed
    except ChannelInvalidStateError:
        return True
