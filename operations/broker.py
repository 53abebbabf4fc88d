"""What RabbitMQ tells, as its operator: how much lies in each queue. Passive declarations take nothing and count no delivery."""

import asyncio
from collections.abc import Iterable

import aio_pika
from aio_pika.exceptions import ChannelClosed

from shared.bus.topology import DEAD_LETTERS, EVENT_CONSUMERS, REPORTS_QUEUE, event_queue, trainer_queue

#: Seconds for all of it.
LIMIT_S = 5.0
#: What can be said of a queue: messages that are ready, consumers. None: there is no such queue.
Depths = dict[str, tuple[int, int] | None]


def ask_broker(url: str, pools: Iterable[str]) -> Depths:
    """Ask, within seconds. Raises what a broker that is away raises."""
    queues = [*(event_queue(service) for service in EVENT_CONSUMERS), REPORTS_QUEUE, DEAD_LETTERS]
    return asyncio.run(_depths(url, [*queues, *(trainer_queue(pool) for pool in pools)]))


async def _depths(url: str, queues: list[str]) -> Depths:
    found: Depths = {}
    async with asyncio.timeout(LIMIT_S), await aio_pika.connect(url) as connection:
        for queue in queues:
            # A channel each: the broker closes it if there is no such queue.
            channel = await connection.channel()
            try:
                declared = (await channel.declare_queue(queue, passive=True)).declaration_result
                found[queue] = (declared.message_count or 0, declared.consumer_count or 0)
            except ChannelClosed:
                found[queue] = None
    return found
