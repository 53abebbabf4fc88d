"""Ensembles, each with the position from which on it was the newest."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = """
CREATE TABLE ensembles (
    challenge_id text NOT NULL,
    from_position bigint NOT NULL,
    -- The EnsembleComputed event's data.
    ensemble text NOT NULL,
    PRIMARY KEY (challenge_id, from_position)
);
"""


def upgrade() -> None:
    """Create the table."""
    op.get_bind().exec_driver_sql(STATEMENTS)
