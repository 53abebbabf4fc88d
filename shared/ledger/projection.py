"""Projections: read models made from the ledger, by one path for live, catch-up and rebuild.

A message on the bus is only a doorbell. `catch_up` pulls events after the checkpoint and writes rows and checkpoint in one
transaction, so a process that dies before the commit has done nothing, and after it everything. Two instances of a service
may ring at once: the checkpoint's row is locked first, so the second waits, then finds the work done.
"""

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import Counter, Gauge
from sqlalchemy import Engine, text

from shared.events import EVENT_TYPES, Event, NewerVersionError, RecordedEvent
from shared.faults import fault_point
from shared.ledger.read import read_after
from shared.ledger.rows import Rows
from shared.telemetry import Readiness, get_logger

log = get_logger(__name__)

#: What a read model does with an event: writes the rows it is given, nothing else.
Handlers = Mapping[type[Event], Callable[[Rows, Any, RecordedEvent], None]]

POSITION = Gauge("palio_projection_position", "Last ledger position that a projection has taken in", ["projection"])
UNKNOWN = Counter("palio_projection_unknown_events_total", "Events of a type this release does not know, skipped", ["projection"])


class Projection:
    """One read model: its schema holds a table `checkpoint (position bigint)` with one row, made by its migration."""

    def __init__(self, schema: str, engine: Engine, handlers: Handlers, readiness: Readiness, *, batch: int = 500) -> None:
        self.schema = schema
        self._engine = engine
        self._handlers = {event_type.__name__: handler for event_type, handler in handlers.items()}
        self._readiness = readiness
        self._batch = batch

    def position(self) -> int:
        """The last ledger position that the read model holds."""
        with self._engine.connect() as connection:
            return int(connection.execute(text(f"SELECT position FROM {self.schema}.checkpoint")).scalar_one())  # noqa: S608  (our own schema)

    def catch_up(self) -> int:
        """Take in everything that the ledger holds now; returns the position reached.

        A known event in a newer version stops here with `NewerVersionError` and a red health check, since skipping would
        lose it; the batch before it is committed. So does an event that a handler can't take in, with the whole batch undone.
        """
        part = f"projection {self.schema}"
        try:
            more = True
            while more:
                position, more = self._take_in_batch(None)
        except Exception as error:
            # Whatever the bus makes of the message: readers must hear that what they see stands still.
            reason = str(error) if isinstance(error, NewerVersionError) else f"stands still: {type(error).__name__}"
            self._readiness.blocked(part, reason)
            raise
        self._readiness.clear(part)
        return position

    def take_in(self, *, until: int) -> int:
        """Take in one batch, nothing beyond position `until`; returns the position reached. Raises as `catch_up` does."""
        return self._take_in_batch(until)[0]

    def _take_in_batch(self, until: int | None) -> tuple[int, bool]:
        newer: NewerVersionError | None = None
        with self._engine.begin() as connection:
            # Handlers name no schema: the same ones make a read model anew beside the one in use.
            connection.execute(text("SELECT set_config('search_path', :schema, true)"), {"schema": self.schema})
            locked = text(f"SELECT position FROM {self.schema}.checkpoint FOR UPDATE")  # noqa: S608  (our own schema)
            start = position = int(connection.execute(locked).scalar_one())
            limit = self._batch if until is None else max(min(self._batch, until - start), 0)
            events = read_after(connection, start, limit)
            rows = Rows(connection)
            for recorded in events:
                try:
                    self._take_in(rows, recorded)
                except NewerVersionError as error:
                    newer = error
                    break
                position = recorded.position
            rows.flush()
            if position > start:
                advance = text(f"UPDATE {self.schema}.checkpoint SET position = :position")  # noqa: S608  (our own schema)
                connection.execute(advance, {"position": position})
                fault_point("projection", self.schema, "written")
                # Other instances, and open event streams, hear of the commit.
                connection.execute(
                    text("SELECT pg_notify(:channel, :position)"), {"channel": self.schema, "position": str(position)}
                )
        if position > start:
            fault_point("projection", self.schema, "committed")
        POSITION.labels(self.schema).set(position)
        if newer is not None:
            raise newer
        return position, len(events) == self._batch

    def _take_in(self, rows: Rows, recorded: RecordedEvent) -> None:
        handler = self._handlers.get(recorded.type)
        if handler is not None:
            handler(rows, recorded.event(), recorded)
        elif recorded.type not in EVENT_TYPES:
            UNKNOWN.labels(self.schema).inc()
            log.warning("unknown_event_type", type=recorded.type, position=recorded.position)
