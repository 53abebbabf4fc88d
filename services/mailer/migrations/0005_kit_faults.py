"""Mails about faults of kits: of those that an earlier release recorded none is sent any more."""

import json
from datetime import UTC

from alembic import op
from sqlalchemy import text

from shared.ledger import derived_id

revision = "0005"
down_revision = "0004"

EVENTS = "SELECT id, position, recorded_at, data FROM ledger.events WHERE position <= :position AND type = 'ScoringFailed' ORDER BY position"
ORGANISER = "SELECT user_id FROM users JOIN challenges ON organiser_id = user_id WHERE challenge_id = :challenge_id"
INSERT = (
    "INSERT INTO outbox (mail_id, kind, user_id, challenge_id, caused_by, caused_at_position, caused_at, state)"
    " VALUES (:mail_id, 'kit_fault', :user_id, :challenge_id, :caused_by, :position, :caused_at, 'dropped')"
    " ON CONFLICT (mail_id) DO NOTHING"
)


def upgrade() -> None:
    """Write down what the handlers of today would have, up to where the other tables are."""
    connection = op.get_bind()
    position = connection.execute(text("SELECT position FROM checkpoint FOR UPDATE")).scalar_one()
    for row in connection.execute(text(EVENTS), {"position": position}).all():
        data = json.loads(row.data)
        organiser = connection.execute(text(ORGANISER), {"challenge_id": data["challenge_id"]}).scalar_one_or_none()
        if data["outcome"] == "kit_error" and organiser is not None:
            values = {
                "mail_id": derived_id(data["challenge_id"], row.recorded_at.astimezone(UTC).date(), organiser, "kit_fault"),
                "user_id": organiser,
                "challenge_id": data["challenge_id"],
                "caused_by": row.id,
                "position": row.position,
                "caused_at": row.recorded_at,
            }
            connection.execute(text(INSERT), values)
