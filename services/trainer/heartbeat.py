"""Saying that this trainer lives, how many slots it has, and what it holds: how the orchestrator knows how much to request."""

import asyncio
from contextlib import suppress

from services.trainer.consumer import WorkConsumer
from services.trainer.training import Slots
from shared.bus.consumer import BROKER_ERRORS
from shared.bus.telemetry import Heartbeat, Whisperer
from shared.bus.topology import trainer_user
from shared.settings import TrainerSettings


async def beat(
    whisperer: Whisperer, settings: TrainerSettings, name: str, slots: Slots, consumer: WorkConsumer, draining: asyncio.Event
) -> None:
    """Say it at once, every few seconds, and when draining begins, until cancelled. A broker that is away misses it."""
    while True:
        said = Heartbeat(
            trainer=name,
            slots=slots.number,
            busy_slots=slots.busy,
            is_draining=draining.is_set(),
            every_s=settings.heartbeat_s,
            held=consumer.held,
        )
        with suppress(*BROKER_ERRORS):
            await whisperer.say(said, trainer_user(settings.pool))
        if draining.is_set():
            await asyncio.sleep(settings.heartbeat_s)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.heartbeat_s):
                    await draining.wait()
