"""What a challenge shows of logs, and how much of them each team has been shown."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = """
ALTER TABLE challenges ADD COLUMN log_policy text NOT NULL DEFAULT 'full';
ALTER TABLE challenges ADD COLUMN team_log_bytes bigint NOT NULL DEFAULT 67108864;
-- How much of a fold's log its team sees: what was left of its budget when the log was recorded.
ALTER TABLE folds ADD COLUMN shown_log_bytes bigint NOT NULL DEFAULT 67108864;
CREATE TABLE team_logs (
    challenge_id text NOT NULL,
    team_id uuid NOT NULL,
    shown_bytes bigint NOT NULL,
    PRIMARY KEY (challenge_id, team_id)
);
"""


def upgrade() -> None:
    """Add the columns and the table."""
    op.get_bind().exec_driver_sql(STATEMENTS)
