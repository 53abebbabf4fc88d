"""Credits, each with the position from which on they were the newest of their submission."""

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS = """
CREATE TABLE credits (
    challenge_id text NOT NULL,
    submission_id uuid NOT NULL,
    from_position bigint NOT NULL,
    -- The CreditsGiven event's data.
    credits text NOT NULL,
    PRIMARY KEY (challenge_id, submission_id, from_position)
);
"""


def upgrade() -> None:
    """Create the table."""
    op.get_bind().exec_driver_sql(STATEMENTS)
