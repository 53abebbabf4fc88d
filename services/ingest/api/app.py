"""The application: its routes, and what all of them share."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from urllib3.exceptions import HTTPError as StoreAwayError

from services.ingest.api import accounts, challenges, problems, submissions
from services.ingest.api.context import Context
from services.ingest.submissions import SubmissionDesk
from shared.artefacts import Store
from shared.http import Problem, install_problem_handlers
from shared.http.limits import BodyLimit
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
    for module in (accounts, problems, challenges, submissions):
        app.include_router(module.make_router(context))
    app.add_middleware(BodyLimit, max_bytes=settings.max_upload_bytes)
    install_problem_handlers(app)
    install_probes(app, readiness, _database_check(engine))

    @app.exception_handler(OperationalError)
    @app.exception_handler(StoreAwayError)
    async def when_server_is_away(_request: Request, _error: Exception) -> Response:
        detail = "A server behind this one is away; nothing was recorded. Try again in a moment."
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "try-again", detail, headers={"Retry-After": "2"}).response()

    return app


def _database_check(engine: Engine) -> Callable[[], None]:
    def check() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    return check
