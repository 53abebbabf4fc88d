"""Puts the relay together and runs it."""

from services.relay.cursor import ActiveCursor
from services.relay.publishing import relay_for_ever
from shared.bus.connection import connect
from shared.bus.service import run_bus_service
from shared.database import make_engine
from shared.settings import RelaySettings
from shared.telemetry import Readiness, configure_logging


def main() -> None:
    """Relay until SIGTERM."""
    settings = RelaySettings()
    configure_logging("relay", settings.log_level)
    readiness = Readiness()
    readiness.blocked("start", "connecting")
    # The advisory lock and LISTEN live on one connection each, for as long as this process is active.
    engine = make_engine(settings, pool_size=2)

    async def relay() -> None:
        connection = await connect(settings, "relay")
        async with connection:
            readiness.clear("start")
            await relay_for_ever(connection, ActiveCursor(engine), settings, readiness)

    run_bus_service(settings, readiness, relay)
