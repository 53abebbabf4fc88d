"""Puts ingest together and runs it."""

from services.ingest.api import make_app
from shared.artefacts import Store
from shared.database import make_engine
from shared.http import run_http_service
from shared.settings import IngestSettings
from shared.telemetry import Readiness, configure_logging


def main() -> None:
    """Serve the write API until SIGTERM."""
    settings = IngestSettings()
    configure_logging("ingest", settings.log_level)
    app = make_app(settings, make_engine(settings, pool_size=20), Store(settings), Readiness())
    run_http_service(app, settings.http_host, settings.http_port)
