"""Request bodies are bounded while they arrive, before anything parses them."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.problems import Problem


class BodyLimit:
    """ASGI middleware: answers 413 to a body above `max_bytes`, whether its length is stated or found out."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its bytes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = Request(scope).headers.get("content-length", "0")
        if not stated.isdigit() or int(stated) > self._max_bytes:
            await self._refuse(scope, receive, send)
            return
        received = 0
        answered = False

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise _BodyTooLargeError
            return message

        async def noted_send(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, counted_receive, noted_send)
        except _BodyTooLargeError:
            if not answered:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"The request is larger than {self._max_bytes:,} bytes, the most this server takes. Send less."
        # The rest of the body is not read: close, so that the client notices.
        problem = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail, headers={"Connection": "close"})
        await problem.response()(scope, receive, send)


class _BodyTooLargeError(Exception):
    """Carries the news from `receive` through whatever was parsing."""
