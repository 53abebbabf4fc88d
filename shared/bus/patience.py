"""Waiting out a server that is away, in the middle of work that must not be begun again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.bus.consumer import FIRST_PAUSE_S, LONGEST_PAUSE_S, worth_waiting_for
from shared.telemetry import get_logger

log = get_logger(__name__)
T = TypeVar("T")


async def patiently(work: Callable[[], Awaitable[T]], what: str) -> T:
    """Do it, again for as long as a server is away or this host is short of something, pausing longer each time.

    `what` stands in the log. Raises whatever waiting does not mend.
    """
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except Exception as error:
            if not worth_waiting_for(error):
                raise
            log.warning("waiting", part=what, error=repr(error), pause_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
