"""What operators decide and look at: pools that are paused or drained, and messages that nobody could handle."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = """
-- Pools of which something was decided. Others are open.
CREATE TABLE pools (
    pool text PRIMARY KEY,
    state text NOT NULL,
    reason text NOT NULL,
    -- The ledger position of the decision.
    position bigint NOT NULL
);
-- Not from the ledger: a rebuild carries it over.
CREATE TABLE dead_letters (
    -- Derived from what it holds and where it died: the same message twice is one row.
    id uuid PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    arrivals integer NOT NULL DEFAULT 1,
    -- The queue that it could not be taken from; null where nobody who may be believed says it.
    queue text,
    routing_key text NOT NULL,
    reason text NOT NULL,
    -- The broker's user who published it first, as the broker has verified; null for nobody.
    sender text,
    -- JSON: the message's headers and other properties.
    headers text NOT NULL,
    body bytea NOT NULL,
    -- Larger than `body` where that was cut.
    body_bytes bigint NOT NULL,
    digest text NOT NULL
);
CREATE INDEX dead_letters_by_age ON dead_letters (received_at, id);
"""


def upgrade() -> None:
    """Create the tables."""
    op.get_bind().exec_driver_sql(STATEMENTS)
