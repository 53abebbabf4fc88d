"""Errors as RFC 9457 problem documents. The detail tells the reader what to do next."""

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.telemetry import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class ProblemResponse(JSONResponse):
    """A problem document. What it repeats of a request may hold half a surrogate pair, which UTF-8 has no bytes for."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """JSON in UTF-8, with `?` for what can't be written."""
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(errors="replace")


class Problem(Exception):  # noqa: N818  (the name RFC 9457 gives it)
    """An error that a person may see. `code` is the stable name programs compare, such as `name-taken`."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, *, headers: dict[str, str] | None = None, **extensions: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.extensions = extensions

    def response(self) -> ProblemResponse:
        """The problem document."""
        body = {
            "type": f"urn:palio:problem:{self.code}",
            "title": self.code.replace("-", " ").capitalize(),
            "status": self.status.value,
            "detail": self.detail,
            **self.extensions,
        }
        return ProblemResponse(body, status_code=self.status.value, headers=self.headers)


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of this application with a problem document."""

    @app.exception_handler(Problem)
    async def when_problem(_request: Request, problem: Problem) -> JSONResponse:
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def when_invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        # Without the `input` that pydantic repeats: it may be a password.
        errors = [
            {"field": ".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]), "message": each["msg"]}
            for each in error.errors()
        ]
        detail = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, errors=errors).response()

    @app.exception_handler(HTTPException)
    async def when_http_error(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        detail = str(error.detail)
        if status is HTTPStatus.NOT_FOUND:
            detail = f"There is nothing at {request.scope['path']}. The API is described at /v1/openapi.json."
        code = status.phrase.lower().replace(" ", "-")
        return Problem(status, code, detail, headers=dict(error.headers or {})).response()

    @app.exception_handler(Exception)
    async def when_broken(request: Request, error: Exception) -> JSONResponse:
        log.error("request_failed", path=request.scope["path"], method=request.method, exc_info=error)
        detail = "Something broke on our side and was logged. Try again; if it stays, tell the operator the time and the path."
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", detail).response()
