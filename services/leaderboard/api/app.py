"""The application: its routes, and what all of them share."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request, Response
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from urllib3.exceptions import HTTPError as StoreAwayError

from services.leaderboard.api import boards, challenges, submissions
from services.leaderboard.api.context import Context
from services.leaderboard.changes import Changes
from shared.artefacts import MissingArtefactError, Store
from shared.http import Problem, install_problem_handlers
from shared.settings import LeaderboardSettings
from shared.telemetry import Readiness, install_probes

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def make_app(
    settings: LeaderboardSettings, engine: Engine, store: Store, changes: Changes, readiness: Readiness, lifespan: Lifespan
) -> FastAPI:
    """The read API as an ASGI application."""
    context = Context(settings, engine, store, changes)
    app = FastAPI(
        title="Palio: reads",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        description="Challenges, boards and submissions. A read that sends `Palio-Position` waits until that write is in it.",
        lifespan=lifespan,
    )
    for module in (challenges, boards, submissions):
        app.include_router(module.make_router(context), dependencies=[Depends(context.wait_for_position)])
    install_problem_handlers(app)
    install_probes(app, readiness, _database_check(engine))

    @app.exception_handler(OperationalError)
    @app.exception_handler(StoreAwayError)
    async def when_server_is_away(_request: Request, _error: Exception) -> Response:
        detail = "A server behind this one is away. Try again in a moment."
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "try-again", detail, headers={"Retry-After": "2"}).response()

    @app.exception_handler(MissingArtefactError)
    async def when_artefact_is_missing(_request: Request, error: MissingArtefactError) -> Response:
        detail = f"The object store has lost what this needs; tell the operator: {error}"
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "artefact-missing", detail).response()

    return app


def _database_check(engine: Engine) -> Callable[[], None]:
    def check() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    return check
