"""From which ledger position on, and up to which, a submission stands on the boards."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = """
CREATE TABLE board_rows (
    submission_id uuid NOT NULL,
    challenge_id text NOT NULL,
    from_position bigint NOT NULL,
    -- The first position at which it stands there no more; null while it does.
    to_position bigint,
    PRIMARY KEY (submission_id, from_position)
);
CREATE INDEX board_rows_by_challenge ON board_rows (challenge_id);
INSERT INTO board_rows (submission_id, challenge_id, from_position)
    SELECT submission_id, challenge_id, changed_at_position FROM submissions WHERE state = 'scored';
ALTER TABLE challenges ADD COLUMN created_at_position bigint NOT NULL DEFAULT 0;
UPDATE challenges SET created_at_position = e.position
    FROM ledger.events e WHERE e.stream = 'challenge-' || challenge_id AND e.version = 1;
"""


def upgrade() -> None:
    """Make the table, and fill it with what stands on the boards."""
    op.get_bind().exec_driver_sql(STATEMENTS)
