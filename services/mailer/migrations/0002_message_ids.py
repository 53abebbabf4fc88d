"""A mail gets its Message-ID when it is first sent."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Allow none until then."""
    op.get_bind().exec_driver_sql("ALTER TABLE outbox ALTER COLUMN message_id DROP NOT NULL")
