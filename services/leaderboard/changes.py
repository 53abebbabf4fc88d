"""Tells readers that the read models moved: those who wait for their own write, and open event streams.

Any instance may have projected the event; PostgreSQL's NOTIFY reaches all of them when the projection commits.
"""

import asyncio
import select
import time
from collections.abc import AsyncIterator

import psycopg2
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from shared.ledger import Projection
from shared.telemetry import get_logger

log = get_logger(__name__)

#: How long a listener sleeps before it looks by itself, should a notification be lost with a connection.
LOOK_S = 2.0


class Changes:
    """The position of the read models, and a signal whenever it moves."""

    def __init__(self, engine: Engine, projection: Projection) -> None:
        self._engine = engine
        self._projection = projection
        self._position = 0
        self._looked_at_s = float("-inf")
        self._moved = asyncio.Condition()

    @property
    def position(self) -> int:
        """Where the read models stood when they were looked at last. From any thread."""
        return self._position

    @property
    def looked_at_s(self) -> float:
        """When that was, by this host's steady clock."""
        return self._looked_at_s

    async def run(self) -> None:
        """Listen until cancelled; a database that is away is waited for."""
        while True:
            try:
                await self._listen()
            except (DBAPIError, psycopg2.Error, OSError, ValueError) as error:
                # `poll` speaks past SQLAlchemy, with the driver's errors; `select` refuses a closed socket's -1.
                log.warning("waiting_for_database", error=repr(error))
                await asyncio.sleep(LOOK_S)

    async def wait_for(self, position: int, timeout_s: float) -> bool:
        """Wait until the read models hold `position`; False if they do not in time."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self._position >= position)
        except TimeoutError:
            return False
        return True

    async def follow(self) -> AsyncIterator[int]:
        """The position now, and then whenever it has moved. Several moves while the reader was busy are one."""
        seen = -1
        while True:
            async with self._moved:
                await self._moved.wait_for(lambda: self._position > seen)  # noqa: B023  (awaited here and now)
                seen = self._position
            yield seen

    async def _listen(self) -> None:
        connection = await asyncio.to_thread(self._engine.connect)
        try:
            autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
            await asyncio.to_thread(autocommit.execute, text("LISTEN leaderboard"))
            raw = connection.connection.driver_connection
            if raw is None:
                return
            while True:
                looked_at_s = time.monotonic()
                position = await asyncio.to_thread(self._projection.position)
                if position != self._position:
                    async with self._moved:
                        self._position, self._looked_at_s = position, looked_at_s
                        self._moved.notify_all()
                self._looked_at_s = looked_at_s
                await asyncio.to_thread(select.select, [raw], [], [], LOOK_S)
                raw.poll()
                raw.notifies.clear()
        finally:
            connection.invalidate()
            connection.close()
