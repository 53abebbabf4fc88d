"""The leaderboard's own work never ends unseen while the API goes on serving."""

import asyncio
import signal

from services.leaderboard.main import ends_the_service
from shared.telemetry import Readiness


async def test_a_projection_that_breaks_ends_the_process_to_be_started_anew() -> None:
    readiness, terminated = Readiness(), asyncio.Event()

    async def breaks() -> None:
        raise RuntimeError("a listener that broke")

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    try:
        await ends_the_service("projecting", breaks, readiness)
        await asyncio.wait_for(terminated.wait(), 10)
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    assert "projecting has ended" in str(readiness.obstacles())
