"""Where a kit's own code failed while it scored, for its organiser."""

import json

from alembic import op
from sqlalchemy import text

revision = "0007"
down_revision = "0006"

STATEMENTS = """
CREATE TABLE kit_faults (
    position bigint PRIMARY KEY,
    challenge_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    kind text NOT NULL,
    -- Null for what is no single submission's.
    submission_id uuid,
    reason text NOT NULL,
    -- Bucket private, details/<digest>.
    detail_digest text
);
CREATE INDEX kit_faults_by_challenge ON kit_faults (challenge_id, position);
"""
# The only failures of a kit that earlier releases recorded.
EVENTS = "SELECT position, recorded_at, data FROM ledger.events WHERE type = 'ScoringFailed' AND position <= :position"
INSERT = (
    "INSERT INTO kit_faults VALUES (:position, :challenge_id, :recorded_at, 'scoring', CAST(:submission_id AS uuid), :reason,"
    " :detail_digest)"
)


def upgrade() -> None:
    """Create the table, and fill it up to where the other tables are."""
    connection = op.get_bind()
    connection.exec_driver_sql(STATEMENTS)
    position = connection.execute(text("SELECT position FROM checkpoint FOR UPDATE")).scalar_one()
    for row in connection.execute(text(EVENTS), {"position": position}).all():
        data = json.loads(row.data)
        if data["outcome"] == "kit_error":
            values = {name: data[name] for name in ("challenge_id", "submission_id", "detail_digest")}
            values["reason"] = data["reason"].replace("\0", "\ufffd")
            connection.execute(text(INSERT), {**values, "position": row.position, "recorded_at": row.recorded_at})
