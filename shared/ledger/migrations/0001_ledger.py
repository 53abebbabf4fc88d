"""The event ledger: its tables, its head, who may append what, and the function that appends."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

SQL = Path(__file__).parent.parent / "sql"

TABLES = """
CREATE TABLE ledger.events (
    position bigint PRIMARY KEY,
    id uuid NOT NULL CONSTRAINT events_id_is_unique UNIQUE,
    stream text NOT NULL,
    version bigint NOT NULL,
    type text NOT NULL,
    schema_version integer NOT NULL,
    -- Text, serialised once and never parsed by SQL: a legal \\u0000 inside a string breaks PostgreSQL's json operators.
    data text NOT NULL,
    metadata text NOT NULL,
    recorded_at timestamptz NOT NULL,
    salt bytea NOT NULL,
    hash bytea NOT NULL,
    UNIQUE (stream, version)
);
CREATE TABLE ledger.head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Raised when a backup is restored, so that positions published before are not mistaken for new ones.
    epoch integer NOT NULL DEFAULT 1,
    position bigint NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL DEFAULT '-infinity',
    hash bytea NOT NULL DEFAULT sha256(''::bytea)
);
INSERT INTO ledger.head DEFAULT VALUES;
CREATE TABLE ledger.appenders (
    role name NOT NULL,
    type text NOT NULL,
    PRIMARY KEY (role, type)
);
"""

PRIVILEGES = """
REVOKE ALL ON FUNCTION ledger.append FROM PUBLIC;
REVOKE ALL ON FUNCTION ledger.leaf FROM PUBLIC;
GRANT USAGE ON SCHEMA ledger TO palio_ingest, palio_relay, palio_orchestrator, palio_scorer, palio_leaderboard, palio_mailer;
GRANT SELECT ON ledger.events, ledger.head
    TO palio_ingest, palio_relay, palio_orchestrator, palio_scorer, palio_leaderboard, palio_mailer;
GRANT EXECUTE ON FUNCTION ledger.append TO palio_ingest, palio_orchestrator, palio_scorer, palio_mailer;
"""


def upgrade() -> None:
    """Create it."""
    # Driver SQL: SQLAlchemy would take `:MI` in a time format for a parameter.
    connection = op.get_bind()
    for statements in (TABLES, *((SQL / f"{name}.sql").read_text() for name in ("leaf", "append")), PRIVILEGES):
        connection.exec_driver_sql(statements)
