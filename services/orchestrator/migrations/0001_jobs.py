"""What the orchestrator must know to say whose turn it is: jobs that wait or were requested, and when whom was served."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = """
CREATE TABLE checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL DEFAULT 0
);
INSERT INTO checkpoint DEFAULT VALUES;
CREATE TABLE challenges (
    challenge_id text PRIMARY KEY,
    log_policy text NOT NULL
);
-- Runs that are not over.
CREATE TABLE runs (
    run_id uuid PRIMARY KEY,
    submission_id uuid NOT NULL,
    challenge_id text NOT NULL,
    team_id uuid NOT NULL,
    pool text NOT NULL,
    -- The ledger position of the upload: lower is older.
    age bigint NOT NULL
);
CREATE TABLE jobs (
    run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    -- A shared fold, or -1 for the run's first request.
    fold integer NOT NULL,
    -- How often it was requested.
    attempt integer NOT NULL DEFAULT 0,
    waiting_since timestamptz NOT NULL,
    -- Null while it waits.
    requested_at timestamptz,
    started_at timestamptz,
    PRIMARY KEY (run_id, fold)
);
-- The ledger position of each team's last turn.
CREATE TABLE turns (
    pool text NOT NULL,
    challenge_id text NOT NULL,
    team_id uuid NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (pool, challenge_id, team_id)
);
-- How long jobs took lately, in seconds, from their start on a trainer to their end.
CREATE TABLE durations (
    challenge_id text NOT NULL,
    is_shared_fold boolean NOT NULL,
    seconds double precision NOT NULL,
    PRIMARY KEY (challenge_id, is_shared_fold)
);
"""


def upgrade() -> None:
    """Create the tables."""
    op.get_bind().exec_driver_sql(STATEMENTS)
