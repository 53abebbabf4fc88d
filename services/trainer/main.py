"""Puts the trainer together and runs it."""

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aio_pika.abc import AbstractRobustConnection

from services.trainer.consumer import WorkConsumer
from services.trainer.heartbeat import beat
from services.trainer.reporting import Reporter
from services.trainer.training import FoldTrainer, RunTrainer, Slots
from shared.artefacts import Store
from shared.bus.connection import connect
from shared.bus.consumer import Consumer
from shared.bus.service import run_bus_service
from shared.bus.telemetry import Whisperer, hear_commands
from shared.bus.topology import trainer_queue
from shared.execution.training import train_fold
from shared.settings import TrainerSettings
from shared.telemetry import Readiness, configure_logging, get_logger
from shared.workbench import Workbench, open_sandbox, open_stations

log = get_logger(__name__)

#: Beside a thread a fold: uploads, downloads, and runs whose files are being fetched.
OTHER_THREADS = 6


def run(settings: TrainerSettings, around: Callable[[FoldTrainer], FoldTrainer] = lambda fold_trainer: fold_trainer) -> None:
    """Train until SIGTERM, or until `max_jobs` requests are done. `around` is what stands between a request and its sandbox."""
    configure_logging("trainer", settings.log_level)
    readiness = Readiness()
    readiness.blocked("start", "connecting")

    # A machine that can't give a sandbox with all its limits ends here, with the command that mends it, before it takes any work.
    sandbox = open_sandbox(settings)

    async def train() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(settings.slots + OTHER_THREADS))
        name = f"{socket.gethostname()}-{os.getpid()}"
        with open_stations(settings, sandbox) as stations:
            connection = await connect(settings, name)
            async with connection:
                await _work(settings, connection, around(partial(train_fold, stations)), readiness, name)

    run_bus_service(settings, readiness, train)


async def _work(
    settings: TrainerSettings, connection: AbstractRobustConnection, fold_trainer: FoldTrainer, readiness: Readiness, name: str
) -> None:
    store = Store(settings)
    slots = Slots(settings.slots)
    reporter = await Reporter.open(connection, settings.pool)
    whisperer = await Whisperer.open(connection, settings.pool)
    trainer = RunTrainer(
        store,
        Workbench(store, settings),
        fold_trainer,
        reporter,
        whisperer,
        slots=slots,
        name=name,
        slow_fold_s=settings.slow_fold_s,
    )
    consumer = WorkConsumer(trainer, settings.pool, max_jobs=settings.max_jobs, drain_s=settings.drain_s)
    await hear_commands(connection, settings.pool, consumer.obey)
    draining = asyncio.Event()
    beating = asyncio.create_task(beat(whisperer, settings, name, slots, consumer, draining))
    readiness.clear("start")
    try:
        await consume(settings, connection, consumer, readiness, draining, beating)
    finally:
        beating.cancel()


async def consume(
    settings: TrainerSettings,
    connection: AbstractRobustConnection,
    consumer: WorkConsumer,
    readiness: Readiness,
    draining: asyncio.Event,
    beating: "asyncio.Task[None]",
) -> None:
    """Take work until this is cancelled, or the last request was taken; then drain. Raises what ended the heartbeat.

    A trainer that works and says nothing is taken for gone: what it holds would be trained elsewhere too, and found lost again and again.
    """
    queue = Consumer(
        connection,
        trainer_queue(settings.pool),
        consumer.handle,
        readiness,
        prefetch=settings.slots,
        # Who stops by itself has time; who is stopped has as much as was said.
        drain_s=None if settings.max_jobs else settings.drain_s,
    )
    consuming = asyncio.create_task(queue.run())
    last = asyncio.create_task(consumer.took_last.wait())
    try:
        await asyncio.wait({consuming, last, beating}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        draining.set()
        last.cancel()
        consuming.cancel()
        log.info("draining", held=len(consumer.held))
        await asyncio.wait({consuming})
    if not consuming.cancelled():
        consuming.result()
    if beating.done():
        beating.result()
