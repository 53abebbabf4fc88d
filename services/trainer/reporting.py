"""Publishing reports, as the user that the broker knows this trainer by, each confirmed."""

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractRobustConnection

from shared.bus.connection import get_exchange, open_publishing_channel
from shared.bus.reports import AnyReport
from shared.bus.topology import REPORTS, trainer_user


class Reporter:
    """A trainer's voice. Open it once, after the connection."""

    def __init__(self, exchange: AbstractExchange, pool: str) -> None:
        self._exchange = exchange
        self._pool = pool

    @classmethod
    async def open(cls, connection: AbstractRobustConnection, pool: str) -> "Reporter":
        """A reporter on a channel of its own."""
        channel = await open_publishing_channel(connection)
        return cls(await get_exchange(channel, REPORTS), pool)

    async def report(self, report: AnyReport) -> None:
        """Say it; returns when the broker has it on disk. Said twice it is one fact, since the orchestrator derives its id.

        Raises `ConnectionError` or aio-pika's `DeliveryError`: say it again.
        """
        message = aio_pika.Message(
            report.model_dump_json().encode(),
            # The broker refuses any other name than the one that this connection logged in with.
            user_id=trainer_user(self._pool),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            correlation_id=str(report.submission_id),
        )
        await self._exchange.publish(message, routing_key=f"{self._pool}.{report.kind}", timeout=30)
