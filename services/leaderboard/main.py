"""Puts the leaderboard together and runs it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from services.leaderboard.api import make_app
from services.leaderboard.changes import Changes
from services.leaderboard.projection import HANDLERS
from shared.artefacts import Store
from shared.bus.connection import connect
from shared.bus.consumer import Consumer
from shared.bus.doorbell import Doorbell
from shared.bus.topology import event_queue
from shared.database import make_engine
from shared.events import Service
from shared.http import run_http_service
from shared.ledger import Projection
from shared.settings import LeaderboardSettings
from shared.telemetry import Readiness, configure_logging


def main() -> None:
    """Project, and serve the read API, until SIGTERM."""
    settings = LeaderboardSettings()
    configure_logging("leaderboard", settings.log_level)
    readiness = Readiness()
    readiness.blocked("start", "catching up with the ledger")
    engine = make_engine(settings, pool_size=20)
    projection = Projection("leaderboard", engine, HANDLERS, readiness)
    changes = Changes(engine, projection)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(changes.run())
            projecting = tasks.create_task(project())
            try:
                yield
            finally:
                listening.cancel()
                projecting.cancel()

    async def project() -> None:
        doorbell = Doorbell(projection)
        await doorbell.ring()
        connection = await connect(settings, "leaderboard")
        async with connection:
            readiness.clear("start")
            await Consumer(connection, event_queue(Service.LEADERBOARD), doorbell.handle, readiness, prefetch=50).run()

    app = make_app(settings, engine, Store(settings), changes, readiness, lifespan)
    run_http_service(app, settings.http_host, settings.http_port)
