"""The vault: what the ledger must not hold. Keys of persons, password hashes, tokens. Part of every backup."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = """
-- Destroying a person's key makes every sealed name and address in the ledger unreadable, and the chain still verifies.
CREATE TABLE vault.person_keys (
    user_id uuid PRIMARY KEY,
    key text NOT NULL
);
CREATE TABLE vault.accounts (
    user_id uuid PRIMARY KEY,
    password_hash text NOT NULL,
    administrator boolean NOT NULL DEFAULT false
);
-- Only the hash of a token is kept: whoever reads this table can't log in with it.
CREATE TABLE vault.tokens (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES vault.accounts ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
-- Who a token belongs to. A function, so that a service which only checks tokens can't list them or read password hashes.
CREATE FUNCTION vault.authenticate(wanted bytea) RETURNS TABLE (user_id uuid, administrator boolean)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.user_id, a.administrator
    FROM vault.tokens t JOIN vault.accounts a USING (user_id)
    WHERE t.token_hash = wanted AND t.expires_at > now()
$$;
REVOKE ALL ON FUNCTION vault.authenticate FROM PUBLIC;
GRANT USAGE ON SCHEMA vault TO palio_ingest, palio_leaderboard, palio_mailer;
GRANT EXECUTE ON FUNCTION vault.authenticate TO palio_ingest, palio_leaderboard;
GRANT SELECT, INSERT, UPDATE, DELETE ON vault.person_keys, vault.accounts, vault.tokens TO palio_ingest;
GRANT SELECT ON vault.person_keys TO palio_leaderboard, palio_mailer;
"""


def upgrade() -> None:
    """Create it."""
    op.get_bind().exec_driver_sql(STATEMENTS)
