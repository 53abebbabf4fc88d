"""Events as they come from the bus: believed only if the ledger holds them.

A message outlives what it tells of. After a backup was restored, queues still hold events of the ledger as it was before: their
positions lie beyond the ledger's end, or other events stand there now, under a higher epoch. The same comes of a database that lost its last commits.
Whoever acted on such an event would act on what never happened, and whoever waited for its position would wait for ever. So
consumers read events here, and here alone.
"""

import asyncio

from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import Engine, text

from shared.bus.consumer import ForeignEventError, RejectedError
from shared.events import RecordedEvent

_HELD = text("SELECT EXISTS (SELECT FROM ledger.events WHERE position = :position AND id = :id)")


def parse_event(message: AbstractIncomingMessage) -> RecordedEvent:
    """What a message says, believed or not. Raises `RejectedError` for what is not an event."""
    try:
        return RecordedEvent.from_cloudevent(message.body)
    except ValueError as error:
        raise RejectedError(str(error)) from error


async def read_event(engine: Engine, message: AbstractIncomingMessage) -> RecordedEvent:
    """The event that a message tells of. Whatever its epoch, the ledger holds it: this id, at this position.

    Raises `RejectedError` for what is not an event, and `ForeignEventError` for one of a ledger that is no more.
    """
    recorded = parse_event(message)
    if not await asyncio.to_thread(_holds, engine, recorded):
        raise foreign(recorded)
    return recorded


def foreign(recorded: RecordedEvent) -> ForeignEventError:
    """What is raised of an event that the ledger does not hold."""
    return ForeignEventError(f"the ledger holds no event {recorded.id} at position {recorded.position} (epoch {recorded.epoch})")


def _holds(engine: Engine, recorded: RecordedEvent) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(_HELD, {"position": recorded.position, "id": recorded.id}).scalar_one())
