"""Reading the ledger: by position, and by stream."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Connection, Row, text

from shared.events import Event, Metadata, RecordedEvent, UnknownTypeError

UNKNOWN = Counter("palio_stream_unknown_events_total", "Events of a type this release does not know, skipped in streams")


COLUMNS = "e.position, h.epoch, e.id, e.stream, e.version, e.type, e.schema_version, e.data, e.metadata, e.recorded_at"
READ_AFTER = text(
    f"SELECT {COLUMNS} FROM ledger.events e, ledger.head h WHERE e.position > :position ORDER BY e.position LIMIT :limit"  # noqa: S608  (a constant)
)
READ_STREAM = text(
    f"SELECT {COLUMNS} FROM ledger.events e, ledger.head h WHERE e.stream = :stream ORDER BY e.version"  # noqa: S608  (a constant)
)
READ_FIRST = text(
    f"SELECT {COLUMNS} FROM ledger.events e, ledger.head h WHERE e.stream = ANY(:streams) AND e.version = 1 ORDER BY e.position"  # noqa: S608  (a constant)
)
READ_OF_TYPE = text(
    f"SELECT {COLUMNS} FROM ledger.events e, ledger.head h WHERE e.stream = ANY(:streams) AND e.type = :type ORDER BY e.position"  # noqa: S608  (a constant)
)


def read_after(connection: Connection, position: int, limit: int) -> list[RecordedEvent]:
    """The next events after a position, in order. Positions are dense and in commit order, so none is ever missed."""
    return _recorded(connection.execute(READ_AFTER, {"position": position, "limit": limit}).all())


def read_stream(connection: Connection, stream: str) -> list[RecordedEvent]:
    """All events of a stream, in order; empty if it does not exist."""
    return _recorded(connection.execute(READ_STREAM, {"stream": stream}).all())


def read_first_of_streams(connection: Connection, streams: Sequence[str]) -> list[RecordedEvent]:
    """The first event of each of these streams, in the ledger's order; nothing for one that does not exist."""
    return _recorded(connection.execute(READ_FIRST, {"streams": list(streams)}).all())


def read_of_type(connection: Connection, streams: Sequence[str], kind: type[Event]) -> list[RecordedEvent]:
    """The events of one type in these streams, in the ledger's order."""
    values = {"streams": list(streams), "type": kind.__name__}
    return _recorded(connection.execute(READ_OF_TYPE, values).all())


def known_events(stream: Iterable[RecordedEvent]) -> Iterator[tuple[RecordedEvent, Event]]:
    """The events of a stream, typed. Those of a type that only a later release knows are skipped and counted.

    Raises `NewerVersionError`: a known fact that can't be read must not be passed over.
    """
    for recorded in stream:
        try:
            event = recorded.event()
        except UnknownTypeError:
            UNKNOWN.inc()
            continue
        yield recorded, event


def head_position(connection: Connection) -> int:
    """The position of the last committed event; 0 for an empty ledger."""
    return int(connection.execute(text("SELECT position FROM ledger.head")).scalar_one())


def _recorded(rows: Sequence[Row[Any]]) -> list[RecordedEvent]:
    return [
        RecordedEvent(
            position=row.position,
            epoch=row.epoch,
            id=row.id,
            stream=row.stream,
            version=row.version,
            type=row.type,
            schema_version=row.schema_version,
            data=row.data,
            metadata=Metadata.model_validate_json(row.metadata),
            recorded_at=row.recorded_at,
        )
        for row in rows
    ]
