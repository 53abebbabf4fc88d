"""What every answer and every request must keep to, whatever page it is: one ASGI layer around the whole application.

Requests that change something must come from our own pages; bodies are bounded; answers forbid all that the pages do not need.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Scripts and styles only from our own files, none in the page: a name that slips through escaping still cannot run.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: The largest form is a registration: far below this.
MAX_BODY_BYTES = 64 * 1024


def comes_from_our_pages(headers: Headers, origin: str) -> bool:
    """Whether a request that changes something was sent by one of our own pages.

    A browser says so in `Sec-Fetch-Site`; where it does not (plain http on another host), in `Origin`, which must be ours or
    name the very host that was asked. A request with neither is refused: no browser that knows our cookie sends one.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    sent = headers.get("origin")
    if sent is None:
        return False
    return sent == origin or urlsplit(sent).netloc == headers.get("host")


class Protection:
    """The layer. `origin` is the platform's own, without a slash at the end."""

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self.app = app
        self.origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 403 in plain words, else pass on; headers are added to every answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        if scope["method"] not in SAFE_METHODS and not comes_from_our_pages(headers, self.origin):
            refusal = PlainTextResponse("This form was not sent from our own page. Open the page here and send it again.", 403)
            await refusal(scope, receive, send_protected)
            return
        await self.app(scope, _bounded(receive), send_protected)


def _bounded(receive: Receive) -> Receive:
    """The same messages, until more than `MAX_BODY_BYTES` of body have come: counted, since a length can be left out or lie.

    Raises the framework's own HTTP error, the one exception that the reader of a form hands on as it is.
    """
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise HTTPException(413, "This form is larger than any of ours. Nothing was changed.")
        return message

    return receive_bounded
