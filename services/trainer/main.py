"""Puts the trainer together and runs it."""

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor

from services.trainer.consumer import WorkConsumer
from services.trainer.reporting import Reporter
from services.trainer.training import RunTrainer
from shared.artefacts import Store
from shared.bus.connection import connect
from shared.bus.consumer import Consumer
from shared.bus.service import run_bus_service
from shared.bus.topology import trainer_queue
from shared.execution.sandbox import Bubblewrap
from shared.settings import TrainerSettings
from shared.telemetry import Readiness, configure_logging
from shared.workbench import Workbench, open_stations

#: Beside a thread a fold: uploads, downloads, and runs whose files are being fetched.
OTHER_THREADS = 6


def main() -> None:
    """Train until SIGTERM."""
    settings = TrainerSettings()
    configure_logging("trainer", settings.log_level)
    readiness = Readiness()
    readiness.blocked("start", "connecting")
    store = Store(settings)
    name = f"{socket.gethostname()}-{os.getpid()}"

    sandbox = Bubblewrap()
    # A machine that can't give a sandbox ends here, with the command that mends it, before it takes any work.
    sandbox.check()

    async def train() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(settings.slots + OTHER_THREADS))
        with open_stations(settings, sandbox) as stations:
            connection = await connect(settings, name)
            async with connection:
                reporter = await Reporter.open(connection, settings.pool)
                trainer = RunTrainer(store, Workbench(store, settings), stations, reporter, slots=settings.slots, name=name)
                readiness.clear("start")
                consumer = WorkConsumer(trainer)
                await Consumer(
                    connection, trainer_queue(settings.pool), consumer.handle, readiness, prefetch=settings.slots
                ).run()

    run_bus_service(settings, readiness, train)
