"""Requests are bounded while they arrive, before anything parses them: how long a body is, and which characters an address holds."""

from contextlib import suppress
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.problems import Problem

#: JSON and plain forms are read into memory whole, before anybody is asked who they are; only files, which go to disk, may be larger.
MAX_MEMORY_BODY_BYTES = 1 << 20

#: How many times the largest body is read and thrown away before the connection is closed.
DISCARDED_BODIES = 2


class BodyLimit:
    """ASGI middleware: answers 413 to a body above `max_bytes`, whether its length is stated or found out.

    Bodies other than `multipart/form-data` have at most `MAX_MEMORY_BODY_BYTES`.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its bytes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Request(scope).headers
        is_multipart = headers.get("content-type", "").strip().lower().startswith("multipart/form-data")
        max_bytes = self._max_bytes if is_multipart else min(self._max_bytes, MAX_MEMORY_BODY_BYTES)
        stated = headers.get("content-length", "0")
        if not (stated.isascii() and stated.isdigit()) or int(stated) > max_bytes:
            await self._refuse(max_bytes, scope, receive, send)
            return
        received, more, answered = 0, True, False

        async def counted_receive() -> Message:
            nonlocal received, more
            message = await receive()
            received += len(message.get("body", b""))
            more = message.get("more_body", False)
            if received > max_bytes:
                raise _BodyTooLargeError
            return message

        async def noted_send(message: Message) -> None:
            nonlocal answered
            # FastAPI takes the error for a form that can't be parsed: what it says then is not what is wrong.
            if answered or received <= max_bytes:
                answered = True
                await send(message)

        with suppress(_BodyTooLargeError):
            await self._app(scope, counted_receive, noted_send)
        if received > max_bytes and not answered:
            await self._refuse(max_bytes, scope, receive, send, more=more)

    async def _refuse(self, max_bytes: int, scope: Scope, receive: Receive, send: Send, *, more: bool = True) -> None:
        detail = f"The request is larger than {max_bytes:,} bytes, the most this server takes here. Send less."
        # This client may wait for leave to send its body: then there is nothing to read.
        if more and not Request(scope).headers.get("expect"):
            await self._discard(receive)
        # What is left of the body is not read: close, so that the client notices.
        problem = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail, headers={"Connection": "close"})
        await problem.response()(scope, receive, send)

    async def _discard(self, receive: Receive) -> None:
        """Read on for a while: a connection that is closed on unread bytes is reset, and the answer lost with it."""
        left, more = DISCARDED_BODIES * self._max_bytes, True
        while more and left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            more = message.get("more_body", False)


class _BodyTooLargeError(Exception):
    """Carries the news from `receive` through whatever was parsing."""


class CleanAddress:
    """ASGI middleware: answers 404 to a path, and 400 to a query, that holds a NUL.

    Nothing here has such a name, and PostgreSQL's driver raises for one instead of not finding it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and "\0" in scope["path"]:
            detail = "There is nothing at this address: it holds a NUL character. The API is described at /v1/openapi.json."
            await Problem(HTTPStatus.NOT_FOUND, "not-found", detail).response()(scope, receive, send)
        elif scope["type"] == "http" and b"\0" in unquote_to_bytes(scope["query_string"]):
            detail = "A parameter of this address holds a NUL character. Send it without."
            await Problem(HTTPStatus.BAD_REQUEST, "bad-request", detail).response()(scope, receive, send)
        else:
            await self._app(scope, receive, send)
