"""Puts the orchestrator together and runs it."""

import asyncio

from services.orchestrator.consumer import EventConsumer, ReportConsumer
from shared.bus.connection import connect
from shared.bus.consumer import Consumer
from shared.bus.service import run_bus_service
from shared.bus.topology import REPORTS_QUEUE, event_queue
from shared.database import make_engine
from shared.events import Service
from shared.settings import OrchestratorSettings
from shared.telemetry import Readiness, configure_logging

#: Reports of different runs are decided side by side; those of one run meet at the stream's version, and the later one tries again.
REPORTS_AT_ONCE = 8


def main() -> None:
    """Orchestrate until SIGTERM."""
    settings = OrchestratorSettings()
    configure_logging("orchestrator", settings.log_level)
    readiness = Readiness()
    readiness.blocked("start", "connecting")
    engine = make_engine(settings)
    events = EventConsumer(engine)
    reports = ReportConsumer(engine, settings.max_attempts)

    async def orchestrate() -> None:
        connection = await connect(settings, "orchestrator")
        async with connection, asyncio.TaskGroup() as tasks:
            tasks.create_task(Consumer(connection, event_queue(Service.ORCHESTRATOR), events.handle, readiness).run())
            tasks.create_task(Consumer(connection, REPORTS_QUEUE, reports.handle, readiness, prefetch=REPORTS_AT_ONCE).run())
            readiness.clear("start")

    run_bus_service(settings, readiness, orchestrate)
