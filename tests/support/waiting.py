"""Waiting for a condition, with a bound: tests never sleep for a time they guess."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LIMIT_S = 60.0
PAUSE_S = 0.05


def wait_until(condition: Callable[[], T], what: str, limit_s: float = LIMIT_S) -> T:
    """What `condition` gives once it is true. Raises `TimeoutError` that names `what`."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit_s} s for {what}")
        time.sleep(PAUSE_S)
    return found


async def wait_for(condition: Callable[[], T], what: str, limit_s: float = LIMIT_S) -> T:
    """The same without blocking the loop; `condition` runs in a thread."""
    return await asyncio.to_thread(wait_until, condition, what, limit_s)
