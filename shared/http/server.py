"""Runs a service's HTTP application: uvicorn, logs in our format, a clean end on SIGTERM."""

import socket

import uvicorn
from fastapi import FastAPI

from shared.telemetry import get_logger

log = get_logger(__name__)

#: Seconds that open requests (an event stream never ends by itself) may take to finish after SIGTERM.
SHUTDOWN_S = 3


def run_http_service(app: FastAPI, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C. Port 0 lets the system choose; the log says which. Raises `OSError` if it is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    log.info("api_listens", host=host, port=listener.getsockname()[1])
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        # Addresses of clients come from the front door, which is the only one that connects.
        proxy_headers=True,
    )
    uvicorn.Server(config).run(sockets=[listener])
