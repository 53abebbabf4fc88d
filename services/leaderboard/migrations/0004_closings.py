"""Where in the ledger it stands that a challenge has closed."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; null while the challenge has not closed."""
    op.get_bind().exec_driver_sql("ALTER TABLE challenges ADD COLUMN closed_at_position bigint")
