"""What changed in a challenge since a position is found without reading the rest of it."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the index."""
    op.get_bind().exec_driver_sql("CREATE INDEX submissions_by_change ON submissions (challenge_id, changed_at_position)")
