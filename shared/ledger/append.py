"""Appending to the ledger: the last statement of a transaction that the caller opened and commits.

No upload, network call or computation belongs between `append` and the commit: the ledger's head is locked from here on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4, uuid5

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from shared.events import Event, Metadata
from shared.faults import fault_point

#: Namespace of the ids that are derived from what an event is about, so that saying the same fact twice gives the same id.
DERIVED_IDS = UUID("6f1c27a5-6a1e-4b9f-9d6b-0f2f6f5f7a10")


class ConflictError(Exception):
    """The stream is no longer at the version that the caller expected: read it again and decide again."""


class DuplicateEventError(Exception):
    """An event with this id is in the ledger already: the fact is known."""


class ForbiddenTypeError(Exception):
    """This service's role may not append this type of event."""


@dataclass(frozen=True)
class NewEvent:
    """An event to append. `expected_version`: the stream's version now (0: it does not exist), or None for any."""

    event: Event
    metadata: Metadata
    expected_version: int | None = None
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True)
class Appended:
    """Where events went: the position of the last, and the time that all of them carry."""

    position: int
    recorded_at: datetime


#: psycopg2 sends lists of UUIDs as text, hence the casts.
APPEND = text(
    "SELECT new_position, new_recorded_at FROM ledger.append(CAST(:ids AS uuid[]), :streams, CAST(:expected_versions AS bigint[]),"
    " :types, CAST(:schema_versions AS integer[]), :data, :metadata)"
)


def derived_id(*parts: object) -> UUID:
    """The id of a fact that can be stated only once, from what it is about, such as run, fold and kind."""
    return uuid5(DERIVED_IDS, "/".join(str(part) for part in parts))


def append(connection: Connection, events: Sequence[NewEvent]) -> Appended:
    """Append events, in order, all or none; nothing is durable before the caller commits.

    Raises `ConflictError`, `DuplicateEventError`, `ForbiddenTypeError`, each of which leaves the transaction broken: roll back.
    A lock that is not free within 5 s raises SQLAlchemy's `OperationalError`: try again. An event that could not be read back
    raises `ValueError` before anything is locked.
    """
    parameters = {
        "ids": [str(new.id) for new in events],
        "streams": [new.event.stream for new in events],
        "expected_versions": [new.expected_version for new in events],
        "types": [type(new.event).__name__ for new in events],
        "schema_versions": [new.event.schema_version for new in events],
        "data": [_readable(new.event) for new in events],
        "metadata": [new.metadata.model_dump_json(exclude_none=True) for new in events],
    }
    try:
        last = connection.execute(APPEND, parameters).all()[-1]
    except DBAPIError as error:
        code = getattr(error.orig, "pgcode", None)
        if code == "PL001":
            raise ConflictError(str(error.orig)) from error
        if code == "PL002":
            raise ForbiddenTypeError(str(error.orig)) from error
        if code == "23505":
            # The id, or a stream's version that another writer took between our look and the lock: the caller must look again.
            raise (DuplicateEventError if "events_id_is_unique" in str(error.orig) else ConflictError)(str(error.orig)) from error
        raise
    fault_point("append", type(events[-1].event).__name__)
    return Appended(last.new_position, last.new_recorded_at)


def _readable(event: Event) -> str:
    """The event as JSON, tried: an infinite number becomes `null`, and such a fact would stop relay and projections for ever."""
    data = event.model_dump_json()
    type(event).model_validate_json(data)
    return data


def append_once(engine: Engine, events: Sequence[NewEvent]) -> bool:
    """Append in a transaction of its own; False if the first event's id is there already, which changes nothing.

    For reactors whose only effect is the append: with a derived id, a redelivered message ends here.
    """
    try:
        with engine.begin() as connection:
            append(connection, events)
    except DuplicateEventError:
        return False
    return True
