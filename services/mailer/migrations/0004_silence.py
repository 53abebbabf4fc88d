"""Mail can be turned off: here, so that nobody can forget a setting, and it stays off through restarts and rebuilds."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = """
-- A row: no mail leaves. No row: mails are sent.
CREATE TABLE silence (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    since timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL
);
"""


def upgrade() -> None:
    """Create it."""
    op.get_bind().exec_driver_sql(STATEMENTS)
