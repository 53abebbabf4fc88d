"""What a projection does with a message: nothing but look at the ledger.

The message's body is not used beyond its position. So a message lost, doubled or out of order changes nothing, and catching
up after a long absence is the same path.
"""

import asyncio

from aio_pika.abc import AbstractIncomingMessage

from shared.bus.consumer import RejectedError
from shared.events import RecordedEvent
from shared.ledger import Projection


class Doorbell:
    """Wakes a projection; many rings while it works are one."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._position = 0
        self._working = asyncio.Lock()

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """For a `Consumer`. Raises `RejectedError` for what is not an event."""
        try:
            recorded = RecordedEvent.from_cloudevent(message.body)
        except ValueError as error:
            raise RejectedError(str(error)) from error
        await self.ring(recorded.position)

    async def ring(self, position: int | None = None) -> None:
        """Catch up, unless `position` is taken in already."""
        async with self._working:
            if position is None or position > self._position:
                self._position = await asyncio.to_thread(self._projection.catch_up)
