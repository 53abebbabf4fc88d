"""The hash chain, computed outside the database: what `ledger/sql/leaf.sql` computes inside.

leaf = sha256(salt ‖ every column, each with its length before it), hash = sha256(previous hash ‖ leaf).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, text

#: The hash before the first event.
GENESIS = hashlib.sha256(b"").digest()


@dataclass(frozen=True)
class ChainLink:
    """A row of the ledger, with its columns as they are hashed."""

    position: int
    id: UUID
    stream: str
    version: int
    type: str
    schema_version: int
    data: str
    metadata: str
    recorded_at: datetime
    salt: bytes
    hash: bytes

    def leaf(self) -> bytes:
        """The leaf of this event."""
        columns = (
            str(self.position),
            str(self.id),
            self.stream,
            str(self.version),
            self.type,
            str(self.schema_version),
            self.data,
            self.metadata,
            self.recorded_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        )
        digest = hashlib.sha256(self.salt)
        for column in columns:
            encoded = column.encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        return digest.digest()


def first_broken_link(connection: Connection) -> int | None:
    """The first position whose hash, position or place in the chain is wrong; None for a sound ledger. Streams the rows."""
    statement = text(
        "SELECT position, id, stream, version, type, schema_version, data, metadata, recorded_at, salt, hash"
        " FROM ledger.events ORDER BY position"
    )
    rows = connection.execute(statement.execution_options(stream_results=True, max_row_buffer=1000))
    # `_mapping` is SQLAlchemy's public name.
    return first_broken(ChainLink(**{**row._mapping, "salt": bytes(row.salt), "hash": bytes(row.hash)}) for row in rows)  # noqa: SLF001


def first_broken(links: Iterable[ChainLink]) -> int | None:
    """The same of links from anywhere, in order."""
    previous, expected_position = GENESIS, 1
    for link in links:
        if link.position != expected_position or link.hash != hashlib.sha256(previous + link.leaf()).digest():
            return expected_position
        previous, expected_position = link.hash, expected_position + 1
    return None
