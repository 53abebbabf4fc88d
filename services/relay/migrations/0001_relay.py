"""How far the ledger has been published."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = """
CREATE TABLE relay.checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL DEFAULT 0
);
INSERT INTO relay.checkpoint DEFAULT VALUES;
GRANT USAGE ON SCHEMA relay TO palio_relay;
GRANT SELECT, UPDATE ON relay.checkpoint TO palio_relay;
"""


def upgrade() -> None:
    """Create it."""
    op.get_bind().exec_driver_sql(STATEMENTS)
