"""What an API says while a server behind it is away, and how it finds out when it is asked whether it is ready."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from minio.error import MinioException
from sqlalchemy import Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from urllib3.exceptions import HTTPError as StoreAwayError

from shared.http.problems import Problem


def install_away_handlers(app: FastAPI) -> None:
    """Answer 503, and when to try again, while the database or the object store is away."""

    @app.exception_handler(OperationalError)
    @app.exception_handler(InterfaceError)
    @app.exception_handler(PoolTimeoutError)
    @app.exception_handler(StoreAwayError)
    @app.exception_handler(MinioException)
    async def when_server_is_away(_request: Request, _error: Exception) -> Response:
        # Not that nothing was changed: a connection that breaks in the middle of a commit does not tell.
        detail = (
            "A server behind this one is away. Try again in a moment; a submission with the same Idempotency-Key is taken once."
        )
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "try-again", detail, headers={"Retry-After": "2"}).response()


def database_check(engine: Engine) -> Callable[[], None]:
    """For `install_probes`: raises if the database does not answer."""

    def check() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    return check
