"""What a projection does with a message: nothing but look at the ledger. And without one: look all the same, every few seconds.

The message's body is not used beyond its position. So a message lost, doubled or out of order changes nothing, and catching
up after a long absence is the same path.
"""

import asyncio
from collections.abc import Callable

from aio_pika.abc import AbstractIncomingMessage

from shared.bus.consumer import worth_waiting_for
from shared.bus.received import foreign, parse_event
from shared.ledger import Projection
from shared.telemetry import get_logger

log = get_logger(__name__)


class Doorbell:
    """Wakes a projection; many rings while it works are one. `moved` is called whenever it has taken something in."""

    def __init__(self, projection: Projection, moved: Callable[[], None] | None = None) -> None:
        self._projection = projection
        self._moved = moved
        self._position = 0
        self._working = asyncio.Lock()

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """For a `Consumer`. Raises `RejectedError` for what is not an event, `ForeignEventError` for one beyond the ledger's end."""
        recorded = parse_event(message)
        await self.ring(recorded.position)
        # Where another event stands at its position, nothing is lost by having looked, and it need not be told from ours.
        if recorded.position > self._position:
            raise foreign(recorded)

    async def ring(self, position: int | None = None) -> None:
        """Catch up, unless `position` is taken in already."""
        async with self._working:
            if position is None or position > self._position:
                before, self._position = self._position, await asyncio.to_thread(self._projection.catch_up)
                if self._moved is not None and self._position != before:
                    self._moved()

    async def look_every(self, pause_s: float) -> None:
        """Ring by itself until cancelled: a message that was lost, with a broker's disk, delays by so many seconds and no more.

        What goes wrong is tried again: the projection's own health check says meanwhile what it is.
        """
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.ring()
            except Exception as error:
                if worth_waiting_for(error):
                    log.warning("waiting", part="looking at the ledger", error=repr(error))
                else:
                    # A defect of ours, or a fact that breaks it: whoever reads what there is so far must still be answered.
                    log.exception("look_failed")
