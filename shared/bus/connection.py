"""The connection to RabbitMQ, and publishing with confirms."""

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractRobustConnection

from shared.bus.properties import read_any_properties
from shared.settings import BusSettings


async def connect(settings: BusSettings, name: str) -> AbstractRobustConnection:
    """Connect as this service's user; comes back by itself after the broker does. `name` is what operators see."""
    read_any_properties()
    return await aio_pika.connect_robust(
        settings.amqp_url.get_secret_value(),
        client_properties={"connection_name": name},
        heartbeat=settings.amqp_heartbeat_s,
        reconnect_interval=1,
    )


async def open_publishing_channel(connection: AbstractRobustConnection) -> AbstractChannel:
    """A channel that confirms, and raises `DeliveryError` for what no queue takes (aio-pika otherwise returns it as a value)."""
    return await connection.channel(publisher_confirms=True, on_return_raises=True)


async def get_exchange(channel: AbstractChannel, name: str) -> AbstractExchange:
    """An exchange that the definitions made. Not declared, not even passively: services may configure nothing."""
    return await channel.get_exchange(name, ensure=False)
