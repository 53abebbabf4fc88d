"""A team hears of the first score of a submission: which have one."""

import json

from alembic import op
from sqlalchemy import text

revision = "0006"
down_revision = "0005"

# A release before leaves it false. At worst a team hears a second time, of a run that was asked for.
STATEMENTS = "ALTER TABLE submissions ADD COLUMN is_scored boolean NOT NULL DEFAULT false"
EVENTS = "SELECT data FROM ledger.events WHERE position <= :position AND type = 'ScoreComputed'"


def upgrade() -> None:
    """Make it, and fill it with what the ledger says up to where the other tables are."""
    connection = op.get_bind()
    connection.exec_driver_sql(STATEMENTS)
    position = connection.execute(text("SELECT position FROM checkpoint FOR UPDATE")).scalar_one()
    scored = connection.execute(text(EVENTS), {"position": position}).scalars().all()
    statement = "UPDATE submissions SET is_scored = true WHERE submission_id = :submission_id"
    for data in scored:
        connection.execute(text(statement), {"submission_id": json.loads(data)["submission_id"]})
