"""Takes dead letters out of the broker's queue into the table. Whatever one holds, it is acknowledged once.

Dies before the commit: the message comes again. Dies between commit and acknowledgement: it comes again and is the same row.
There is no third place for what can't be kept: that would be a defect of ours, which is logged with the message's digest.
"""

import asyncio
import hashlib

from aio_pika.abc import AbstractIncomingMessage
from prometheus_client import Counter, Gauge
from sqlalchemy import Engine

from services.orchestrator.dead_letters.letter import Arrived, DeadLetter, dead_letter
from services.orchestrator.dead_letters.store import keep, numbers
from shared.bus.consumer import worth_waiting_for
from shared.telemetry import get_logger

log = get_logger(__name__)

ARRIVED = Counter("palio_dead_letter_arrivals_total", "Messages that nobody could handle, by the queue they were in", ["queue"])
KEPT = Gauge("palio_dead_letters", "Dead letters that are kept, by the queue they were in", ["queue"])
LOST = Counter("palio_dead_letters_dropped_total", "Dead letters that are kept no longer, since there were too many")

#: Operators requeue and drop them from elsewhere: the number that is kept is looked up again.
COUNT_EVERY_S = 5.0
UNKNOWN_QUEUE = "unknown"


class DeadLetterConsumer:
    """Keeps dead letters."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: set[str] = set()

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Keep one. Raises only what is worth waiting for: the database is away."""
        try:
            letter = dead_letter(_arrived(message))
            dropped = await asyncio.to_thread(self._keep, letter)
        except Exception as error:
            if worth_waiting_for(error):
                raise
            LOST.inc()
            log.exception("dead_letter_not_kept", digest=hashlib.sha256(message.body).hexdigest(), bytes=len(message.body))
            return
        ARRIVED.labels(letter.queue or UNKNOWN_QUEUE).inc()
        LOST.inc(dropped)
        log.error("dead_letter_kept", id=str(letter.id), queue=letter.queue, reason=letter.reason)

    async def count(self) -> None:
        """Show how many are kept, until cancelled. While the database is away the last number stands."""
        while True:
            try:
                kept = await asyncio.to_thread(self._numbers)
            except Exception as error:
                if not worth_waiting_for(error):
                    raise
            else:
                self._seen |= kept.keys()
                for queue in self._seen:
                    KEPT.labels(queue).set(kept.get(queue, 0))
            await asyncio.sleep(COUNT_EVERY_S)

    def _keep(self, letter: DeadLetter) -> int:
        with self._engine.begin() as connection:
            return keep(connection, letter)

    def _numbers(self) -> dict[str, int]:
        with self._engine.connect() as connection:
            return {queue or UNKNOWN_QUEUE: number for queue, number in numbers(connection).items()}


def _arrived(message: AbstractIncomingMessage) -> Arrived:
    properties = {
        "content_type": message.content_type,
        "correlation_id": message.correlation_id,
        "message_id": message.message_id,
        "type": message.type,
        "timestamp": message.timestamp,
    }
    return Arrived(
        body=message.body,
        headers=message.headers,
        properties={name: value for name, value in properties.items() if value is not None},
        routing_key=message.routing_key or "",
        user=message.user_id,
    )
