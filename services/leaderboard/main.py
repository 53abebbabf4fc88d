"""Puts the leaderboard together and runs it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import FastAPI

from services.leaderboard.api import Context, make_app
from services.leaderboard.changes import Changes
from services.leaderboard.live import Live
from services.leaderboard.projection import HANDLERS
from shared.artefacts import Store
from shared.bus.connection import connect
from shared.bus.consumer import Consumer
from shared.bus.doorbell import Doorbell
from shared.bus.patience import patiently
from shared.bus.telemetry import LOG_KEY, QUEUE_KEY, hear_telemetry
from shared.bus.topology import event_queue
from shared.database import make_engine
from shared.events import Service
from shared.http import run_http_service
from shared.ledger import Projection
from shared.settings import LeaderboardSettings
from shared.telemetry import Readiness, configure_logging, get_logger

log = get_logger(__name__)


def main() -> None:
    """Project, and serve the read API, until SIGTERM."""
    settings = LeaderboardSettings()
    configure_logging("leaderboard", settings.log_level)
    readiness = Readiness()
    readiness.blocked("start", "catching up with the ledger")
    engine = make_engine(settings, pool_size=20)
    projection = Projection("leaderboard", engine, HANDLERS, readiness)
    changes = Changes(engine, projection)
    live = Live()

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            parts = {"listening to changes": changes.run, "projecting": project}
            work = [tasks.create_task(ends_the_service(name, part, readiness)) for name, part in parts.items()]
            try:
                yield
            finally:
                for task in work:
                    task.cancel()

    async def project() -> None:
        doorbell = Doorbell(projection)
        # What a later release recorded is waited for in red, as later on, and not by dying again and again.
        await patiently(doorbell.ring, "catching up")
        async with asyncio.TaskGroup() as tasks:
            # Also while the broker is away.
            tasks.create_task(doorbell.look_every(settings.ledger_look_s))
            connection = await connect(settings, "leaderboard")
            async with connection:
                await hear_telemetry(connection, Service.LEADERBOARD, (QUEUE_KEY, LOG_KEY), live.hear)
                readiness.clear("start")
                await Consumer(connection, event_queue(Service.LEADERBOARD), doorbell.handle, readiness, prefetch=50).run()

    app = make_app(Context(settings, engine, Store(settings), changes, live), readiness, lifespan)
    run_http_service(app, settings.http_host, settings.http_port)


async def ends_the_service(name: str, work: Callable[[], Awaitable[None]], readiness: Readiness) -> None:
    """Run what must never end while the API serves; if it does, end this process as SIGTERM does, so that it is started anew.

    uvicorn goes on serving when a lifespan breaks: boards would stand still for ever, and look well.
    """
    try:
        await work()
    except Exception:
        log.exception("part_failed", part=name)
    readiness.blocked("service", f"{name} has ended; restarting")
    os.kill(os.getpid(), signal.SIGTERM)
