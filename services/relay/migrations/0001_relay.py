"""How far the ledger has been published."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = """
CREATE TABLE checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL DEFAULT 0
);
INSERT INTO checkpoint DEFAULT VALUES;
"""


def upgrade() -> None:
    """Create it."""
    op.get_bind().exec_driver_sql(STATEMENTS)
