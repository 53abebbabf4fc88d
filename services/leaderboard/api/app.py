"""The application: its routes, and what all of them share."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request, Response

from services.leaderboard.api import (
    board_stream,
    boards,
    challenges,
    crediting,
    ensembles,
    grades,
    kit_faults,
    plots,
    pools,
    rescorings,
    runs,
    submissions,
)
from services.leaderboard.api.context import Context
from shared.artefacts import MissingArtefactError
from shared.http import Problem, install_problem_handlers
from shared.http.faults import database_check, install_away_handlers
from shared.http.limits import CleanAddress
from shared.telemetry import Readiness, install_probes

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def make_app(context: Context, readiness: Readiness, lifespan: Lifespan) -> FastAPI:
    """The read API as an ASGI application."""
    app = FastAPI(
        title="Palio: reads",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        description="Challenges, boards and submissions. A read that sends `Palio-Position` waits until that write is in it.",
        lifespan=lifespan,
    )
    # The stream and ensembles before the boards: neither is the name of a board.
    for module in (
        challenges,
        kit_faults,
        board_stream,
        ensembles,
        boards,
        plots,
        grades,
        submissions,
        crediting,
        runs,
        rescorings,
    ):
        app.include_router(module.make_router(context), dependencies=[Depends(context.wait_for_position)])
    # What is said in passing is in no read model: nothing to wait for.
    app.include_router(pools.make_router(context))
    app.add_middleware(CleanAddress)
    install_problem_handlers(app)
    install_away_handlers(app)
    install_probes(app, readiness, database_check(context.engine))

    @app.exception_handler(MissingArtefactError)
    async def when_artefact_is_missing(_request: Request, error: MissingArtefactError) -> Response:
        detail = f"The object store has lost what this needs; tell the operator: {error}"
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "artefact-missing", detail).response()

    return app
