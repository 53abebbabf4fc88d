"""A mail may be about a challenge instead of a submission; who is told of its end."""

import json

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"

STATEMENTS = """
ALTER TABLE outbox ALTER COLUMN submission_id DROP NOT NULL;
ALTER TABLE outbox ADD COLUMN challenge_id text;
ALTER TABLE outbox ADD CONSTRAINT outbox_is_about_one_thing CHECK (num_nonnulls(submission_id, challenge_id) = 1);
-- Null in rows that an earlier release writes.
ALTER TABLE challenges ADD COLUMN organiser_id uuid;
CREATE TABLE joins (
    challenge_id text NOT NULL,
    team_id uuid NOT NULL,
    PRIMARY KEY (challenge_id, team_id)
);
"""
EVENTS = "SELECT type, data FROM ledger.events WHERE position <= :position AND type IN ('ChallengeCreated', 'JoinApproved')"


def upgrade() -> None:
    """Make them, and fill them with what the ledger says up to where the other tables are."""
    connection = op.get_bind()
    connection.exec_driver_sql(STATEMENTS)
    position = connection.execute(text("SELECT position FROM checkpoint FOR UPDATE")).scalar_one()
    for row in connection.execute(text(EVENTS), {"position": position}).all():
        data = json.loads(row.data)
        if row.type == "JoinApproved":
            statement = "INSERT INTO joins VALUES (:challenge_id, :team_id)"
            connection.execute(text(statement), {"challenge_id": data["challenge_id"], "team_id": data["team_id"]})
        else:
            statement = "UPDATE challenges SET organiser_id = :organiser_id WHERE challenge_id = :challenge_id"
            connection.execute(text(statement), {"challenge_id": data["challenge_id"], "organiser_id": data["organiser_id"]})
