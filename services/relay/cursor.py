"""The relay's place in the ledger, held by one relay at a time.

The advisory lock, the reading and the advancing share one connection. So a relay that lost its connection, and with it the
lock, can't advance the place of the one that took over.
"""

import select
from collections.abc import Sequence

import psycopg2
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from shared.events import RecordedEvent
from shared.ledger import read_after

#: Any number that nothing else in this database uses.
ACTIVE_RELAY_LOCK = 7_226_002


class ActiveCursor:
    """Blocking; one thread at a time. After a database error call `release`, then `acquire` again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        """Become the active relay; False while another one is. Already active: True."""
        if self._connection is not None:
            return True
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": ACTIVE_RELAY_LOCK}).scalar_one():
                connection.close()
                return False
            connection.execute(text("LISTEN ledger"))
        except BaseException:
            # The pool must not keep the lock: this relay would stand by for itself.
            connection.invalidate()
            connection.close()
            raise
        self._connection = connection
        return True

    def release(self) -> None:
        """Give up being active, by closing the connection for real: the pool must not keep the lock."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def position(self) -> int:
        """The last position that the broker has confirmed, with all before it."""
        return int(self._active().execute(text("SELECT position FROM relay.checkpoint")).scalar_one())

    def read(self, limit: int) -> Sequence[RecordedEvent]:
        """The next events after the place, in order."""
        return read_after(self._active(), self.position(), limit)

    def advance(self, position: int) -> None:
        """Remember that everything up to `position` is confirmed. Never goes back."""
        statement = text("UPDATE relay.checkpoint SET position = :position WHERE position < :position")
        self._active().execute(statement, {"position": position})

    def wait(self, timeout_s: float) -> None:
        """Return when the ledger has grown, or after the timeout. Several notifications count as one."""
        raw = self._active().connection.driver_connection
        if raw is None:
            raise RuntimeError("the relay's connection is closed")
        try:
            if not raw.notifies:
                select.select([raw], [], [], timeout_s)
                raw.poll()
        except (psycopg2.Error, OSError, ValueError) as error:
            # The driver's own word for a connection that is gone, past SQLAlchemy; `select` refuses a closed socket's -1.
            raise OperationalError("LISTEN ledger", None, error) from error
        raw.notifies.clear()

    def _active(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("acquire the cursor first: only the active relay may read and advance")
        return self._connection
