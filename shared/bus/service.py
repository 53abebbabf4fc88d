"""Runs a service that lives from the bus: probes, signals, and its tasks until one fails or SIGTERM comes."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping

from shared.settings import ServiceSettings
from shared.telemetry import Readiness, get_logger, serve_probes

log = get_logger(__name__)


def run_bus_service(
    settings: ServiceSettings,
    readiness: Readiness,
    main: Callable[[], Awaitable[None]],
    pages: Mapping[str, Callable[[], bytes]] | None = None,
) -> None:
    """Run `main` until it ends, fails, or SIGTERM or Ctrl-C cancels it; its own `finally` blocks tidy up.

    `pages`, JSON by path, are served beside the probes.
    A failure ends the process with its traceback: the supervisor starts it again, and what was not acknowledged comes back.
    """
    stop_probes = serve_probes(settings.http_host, settings.http_port, readiness, pages)
    try:
        asyncio.run(_until_signal(main))
    finally:
        stop_probes()


async def _until_signal(main: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(main())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopped")
