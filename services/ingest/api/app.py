"""The application: its routes, and what all of them share."""

from fastapi import FastAPI
from sqlalchemy import Engine

from services.ingest.api import accounts, challenges, crediting, pools, problems, rescorings, runs, submissions
from services.ingest.api.context import Context
from services.ingest.submissions import SubmissionDesk
from shared.artefacts import Store
from shared.http import install_problem_handlers
from shared.http.faults import database_check, install_away_handlers
from shared.http.limits import BodyLimit, CleanAddress
from shared.settings import IngestSettings
from shared.telemetry import Readiness, install_probes


def make_app(settings: IngestSettings, engine: Engine, store: Store, readiness: Readiness) -> FastAPI:
    """The write API as an ASGI application."""
    app = FastAPI(
        title="Palio: writes",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        description="Every decision that a person causes. Errors are RFC 9457 problem documents.",
    )
    context = Context(settings, engine, store, SubmissionDesk(engine, store, settings.max_source_bytes))
    for module in (accounts, problems, challenges, submissions, crediting, runs, rescorings, pools):
        app.include_router(module.make_router(context))
    app.add_middleware(BodyLimit, max_bytes=settings.max_upload_bytes)
    app.add_middleware(CleanAddress)
    install_problem_handlers(app)
    install_away_handlers(app)
    install_probes(app, readiness, database_check(engine))

    return app
