"""The event ledger in PostgreSQL: append-only, ordered, hash-chained. Owns appending, reading and projecting; decides nothing."""

from shared.ledger.append import (
    Appended,
    ConflictError,
    DuplicateEventError,
    ForbiddenTypeError,
    NewEvent,
    append,
    append_once,
    derived_id,
)
from shared.ledger.projection import Handlers, Projection
from shared.ledger.read import head_position, known_events, read_after, read_first_of_streams, read_of_type, read_stream
from shared.ledger.read_model import OwnColumns, ReadModel
from shared.ledger.rows import Rows, given_column, key_column

__all__ = [
    "Appended",
    "ConflictError",
    "DuplicateEventError",
    "ForbiddenTypeError",
    "Handlers",
    "NewEvent",
    "OwnColumns",
    "Projection",
    "ReadModel",
    "Rows",
    "append",
    "append_once",
    "derived_id",
    "given_column",
    "head_position",
    "key_column",
    "known_events",
    "read_after",
    "read_first_of_streams",
    "read_of_type",
    "read_stream",
]
