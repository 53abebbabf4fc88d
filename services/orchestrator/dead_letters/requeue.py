"""Putting dead letters back into the queue that they came from.

The row is locked, the message published and confirmed, the row removed, and that committed. Dies before the publication, or
before the commit: the row is still there, and the message perhaps in its queue; requeued again it comes twice, and consumers
know what they have done. If it dies of the same again meanwhile, whoever keeps it waits for the lock and makes a new row.
"""

import json
from typing import Any
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import AMQPError, DeliveryError
from sqlalchemy import Engine, text

from services.orchestrator.dead_letters.store import Kept, drop, find
from shared.bus.connection import open_publishing_channel
from shared.bus.consumer import BROKER_ERRORS, CONFIRM_TIMEOUT_S

#: What AMQP calls a short text.
_MAX_SHORT_BYTES = 255


class RequeueError(Exception):
    """It can't be requeued and stays where it is; the text says why, and what to do."""


async def requeue(owner: Engine, connection: AbstractRobustConnection, id_: UUID) -> str | None:
    """Requeue one; returns its queue, or None if it is gone. `connection`: the broker as its operator. Raises `RequeueError`.

    The database is asked in this thread: for a command, not for a service.
    """
    with owner.begin() as database:
        database.execute(text("SELECT set_config('search_path', 'orchestrator', true), set_config('lock_timeout', '10s', true)"))
        letter = find(database, id_, locked=True)
        if letter is None:
            return None
        queue = _queue_of(letter)
        await _publish(connection, letter, queue)
        drop(database, [id_])
    return queue


def _queue_of(letter: Kept) -> str:
    if letter.queue is None:
        raise RequeueError("nobody who may be believed says which queue it was in. Look at it (`show`), then `drop` it")
    if not letter.is_whole:
        raise RequeueError(f"only {len(letter.body):,} of its {letter.body_bytes:,} bytes are kept. `drop` it")
    return letter.queue


async def _publish(connection: AbstractRobustConnection, letter: Kept, queue: str) -> None:
    # A channel each: the broker closes it with its refusal.
    channel = await open_publishing_channel(connection)
    try:
        message = aio_pika.Message(
            letter.body,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            # Consumers go by the name under which the broker first got it; the operator may speak in anybody's.
            user_id=letter.sender or None,
            **_properties(letter),
        )
        await channel.default_exchange.publish(message, routing_key=queue, mandatory=True, timeout=CONFIRM_TIMEOUT_S)
    except DeliveryError as error:
        raise RequeueError(f"there is no queue {queue} any more. `drop` it, or bring its pool back (PALIO_POOLS)") from error
    except AMQPError as error:
        raise RequeueError(f"the broker refuses it: {error}. PALIO_AMQP_URL must be the user operator's") from error
    finally:
        if not channel.is_closed:
            await channel.close()


def _properties(letter: Kept) -> dict[str, Any]:
    """What else the message had, as far as it was text that AMQP takes."""
    kept = json.loads(letter.headers)
    properties = kept.get("properties", {}) if isinstance(kept, dict) else {}
    found = {name: properties.get(name) for name in ("content_type", "correlation_id", "message_id", "type")}
    return {name: value for name, value in found.items() if isinstance(value, str) and len(value.encode()) <= _MAX_SHORT_BYTES}


#: What a broker that is away raises on the way.
AWAY = BROKER_ERRORS
