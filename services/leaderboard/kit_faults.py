"""Where a challenge's own code failed while it scored, for its organiser."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

_SELECT = (
    "SELECT position, recorded_at, kind, submission_id, reason, detail_digest FROM kit_faults WHERE challenge_id = :challenge_id {}"
    " ORDER BY position DESC LIMIT :limit"
)


@dataclass(frozen=True)
class KitFault:
    """One failure: `kind` is `metric` (scores are missing), `scoring` (a submission has none) or `ensemble`."""

    position: int
    recorded_at: datetime
    kind: str
    submission_id: UUID | None
    reason: str
    detail_digest: str | None


def newest_faults(connection: Connection, challenge_id: str, before: int | None, limit: int) -> list[KitFault]:
    """The newest failures of a challenge, or those before a ledger position."""
    condition = "" if before is None else "AND position < :before"
    values = {"challenge_id": challenge_id, "before": before, "limit": limit}
    return [KitFault(**row) for row in connection.execute(text(_SELECT.format(condition)), values).mappings()]


def find_fault(connection: Connection, challenge_id: str, position: int) -> KitFault | None:
    """The failure that a ledger position records, or None."""
    statement = text(_SELECT.format("AND position = :position"))
    row = connection.execute(statement, {"challenge_id": challenge_id, "position": position, "limit": 1}).mappings().one_or_none()
    return None if row is None else KitFault(**row)
