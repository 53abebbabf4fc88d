"""Health and metrics over HTTP: `/healthz` (the process answers), `/readyz` (it can do its work), `/metrics` (Prometheus).

Services with an API mount them in it; the others serve them from a thread with the standard library's WSGI server, so that
a trainer carries no web framework.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from fastapi import FastAPI

log = get_logger(__name__)

#: Raises if something that the service needs does not answer.
Check = Callable[[], None]


BLOCKED = Gauge("palio_blocked", "1 for a part of this service that can't work, as /readyz says in words", ["part"])


class Readiness:
    """What a service waits for or suffers from. Ready is: nothing stands here. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._obstacles: dict[str, str] = {}

    def blocked(self, part: str, reason: str) -> None:
        """State that `part` (such as `projection`) can't work, and what to do about it."""
        with self._lock:
            self._obstacles[part] = reason
            BLOCKED.labels(part).set(1)

    def clear(self, part: str) -> None:
        """State that `part` works."""
        with self._lock:
            if self._obstacles.pop(part, None) is not None:
                BLOCKED.labels(part).set(0)

    def obstacles(self) -> dict[str, str]:
        """Each part that can't work, with the reason."""
        with self._lock:
            return dict(self._obstacles)


def answer_probe(path: str, readiness: Readiness, check: Check | None = None) -> tuple[int, str, bytes]:
    """Status, content type and body for a probe's path. `check` is asked when `/readyz` is."""
    if path == "/healthz":
        return 200, "application/json", b'{"status":"alive"}'
    if path == "/readyz":
        obstacles = readiness.obstacles() | _obstacles_of(check)
        body = json.dumps({"status": "blocked" if obstacles else "ready", "obstacles": obstacles}).encode()
        return (503 if obstacles else 200), "application/json", body
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
    return 404, "text/plain", b"/healthz, /readyz and /metrics are here\n"


def _obstacles_of(check: Check | None) -> dict[str, str]:
    if check is None:
        return {}
    try:
        check()
    except Exception as error:  # noqa: BLE001  (whatever it is, the service is not ready)
        # The type alone: the text of a database's error may hold its address and user.
        return {"check": f"{type(error).__name__}: a server that this service needs is away"}
    return {}


def install_probes(app: "FastAPI", readiness: Readiness, check: Check | None = None) -> None:
    """Mount the probes in a service's API, outside its OpenAPI document."""
    # Imported here: the services without an API use this module too, and carry no web framework.
    from fastapi import Request, Response  # noqa: PLC0415

    def probe(request: Request) -> Response:
        status, content_type, body = answer_probe(request.url.path, readiness, check)
        return Response(body, status_code=status, media_type=content_type)

    for path in ("/healthz", "/readyz", "/metrics"):
        app.add_api_route(path, probe, include_in_schema=False)


class _QuietHandler(WSGIRequestHandler):
    """Without a line on standard error for each scrape."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        pass


def serve_probes(
    host: str, port: int, readiness: Readiness, pages: Mapping[str, Callable[[], bytes]] | None = None
) -> Callable[[], None]:
    """Serve the probes from a daemon thread, and `pages`: JSON by path. Returns what stops it.

    Raises `OSError` if the port is taken.
    """

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        page = (pages or {}).get(environ["PATH_INFO"])
        if page is not None:
            status, content_type, body = 200, "application/json", page()
        else:
            status, content_type, body = answer_probe(environ["PATH_INFO"], readiness)
        reasons = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}
        start_response(f"{status} {reasons[status]}", [("Content-Type", content_type)])
        return [body]

    server: WSGIServer = make_server(host, port, application, handler_class=_QuietHandler)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    log.info("probes_listen", host=host, port=server.server_port)

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
