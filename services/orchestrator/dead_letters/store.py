"""The table of dead letters. Statements name no schema: the orchestrator's `search_path`, or what a command sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from services.orchestrator.dead_letters.letter import DeadLetter
from shared.bus.topology import MAX_DEAD_LETTERS

#: Bodies and headers together. A flood of large ones must not fill the database's disk.
MAX_KEPT_BYTES = 256 * 2**20

_KEEP = text("""
INSERT INTO dead_letters (id, queue, routing_key, reason, sender, headers, body, body_bytes, digest)
VALUES (:id, :queue, :routing_key, :reason, :sender, :headers, :body, :body_bytes, :digest)
ON CONFLICT (id) DO UPDATE SET arrivals = dead_letters.arrivals + 1, received_at = clock_timestamp(), reason = excluded.reason, headers = excluded.headers
""")
#: The oldest go first; none that an operator is requeuing at this moment, whose row is locked.
_DROP_OLDEST = text("""
DELETE FROM dead_letters WHERE id IN (
    SELECT id FROM dead_letters WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER newest AS number, sum(octet_length(body) + octet_length(headers)) OVER newest AS bytes
            FROM dead_letters WINDOW newest AS (ORDER BY received_at DESC, id DESC)
        ) counted WHERE number > :max_letters OR bytes > :max_bytes
    ) FOR UPDATE SKIP LOCKED
)
""")
_LIST = text("""
SELECT id, received_at, now() AS now, arrivals, queue, routing_key, reason, sender, body_bytes FROM dead_letters
WHERE (:queue IS NULL OR queue = :queue) AND (:reason IS NULL OR strpos(lower(reason), lower(:reason)) > 0)
ORDER BY received_at, id
""")
_FIND = "SELECT *, now() AS now FROM dead_letters WHERE id = :id"


@dataclass(frozen=True)
class Listed:
    """A dead letter in a list."""

    id: UUID
    received_at: datetime
    age_s: float
    arrivals: int
    queue: str | None
    routing_key: str
    reason: str
    sender: str | None
    body_bytes: int


@dataclass(frozen=True)
class Kept(Listed):
    """A dead letter with all that is kept of it."""

    headers: str
    body: bytes
    digest: str

    @property
    def is_whole(self) -> bool:
        """Whether nothing of its body was cut."""
        return len(self.body) == self.body_bytes


def keep(connection: Connection, letter: DeadLetter, max_letters: int = MAX_DEAD_LETTERS, max_bytes: int = MAX_KEPT_BYTES) -> int:
    """Keep a dead letter, once however often it comes; returns how many of the oldest had to go."""
    connection.execute(_KEEP, vars(letter))
    return connection.execute(_DROP_OLDEST, {"max_letters": max_letters, "max_bytes": max_bytes}).rowcount


def listed(connection: Connection, queue: str | None = None, reason: str | None = None) -> list[Listed]:
    """Those of a queue, whose reason holds these words; the oldest first."""
    rows = connection.execute(_LIST, {"queue": queue, "reason": reason})
    return [Listed(**_listed(row)) for row in rows]


def find(connection: Connection, id_: UUID, *, locked: bool = False) -> Kept | None:
    """One of them. Locked, it stays until the transaction ends, and whoever else wants it waits."""
    row = connection.execute(text(f"{_FIND} FOR UPDATE" if locked else _FIND), {"id": id_}).one_or_none()
    if row is None:
        return None
    return Kept(**_listed(row), headers=row.headers, body=bytes(row.body), digest=row.digest)


def drop(connection: Connection, ids: Sequence[UUID]) -> int:
    """Remove them; returns how many were there."""
    statement = text("DELETE FROM dead_letters WHERE id = ANY(CAST(:ids AS uuid[]))")
    return connection.execute(statement, {"ids": [str(each) for each in ids]}).rowcount


def numbers(connection: Connection) -> dict[str | None, int]:
    """How many are kept, by queue."""
    rows = connection.execute(text("SELECT queue, count(*) AS number FROM dead_letters GROUP BY queue"))
    return {row.queue: row.number for row in rows}


def _listed(row: Row[Any]) -> dict[str, Any]:
    plain = ("id", "received_at", "arrivals", "queue", "routing_key", "reason", "sender", "body_bytes")
    return {**{name: getattr(row, name) for name in plain}, "age_s": (row.now - row.received_at).total_seconds()}
