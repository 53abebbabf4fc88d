"""The read models. All of them can be dropped and made again from the ledger."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = """
CREATE TABLE checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL DEFAULT 0
);
INSERT INTO checkpoint DEFAULT VALUES;
-- Names stay sealed here: erasing a person destroys the key, and nothing else has to be found and changed.
CREATE TABLE teams (
    team_id uuid PRIMARY KEY,
    name text NOT NULL,
    -- The person whose key seals the name; null for a name that is public.
    sealed_for uuid
);
CREATE TABLE members (
    team_id uuid NOT NULL,
    user_id uuid NOT NULL,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id);
CREATE TABLE problems (
    problem_id text NOT NULL,
    version integer NOT NULL,
    organiser_id uuid NOT NULL,
    kit_digest text NOT NULL,
    state text NOT NULL,
    outcome text,
    reason text,
    detail_digest text,
    -- The ProblemPrepared event's data, once there is one.
    prepared text,
    PRIMARY KEY (problem_id, version)
);
CREATE TABLE challenges (
    challenge_id text PRIMARY KEY,
    title text NOT NULL,
    problem_id text NOT NULL,
    problem_version integer NOT NULL,
    opens_at timestamptz NOT NULL,
    code_opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    limits text NOT NULL,
    n_teams integer NOT NULL DEFAULT 0,
    n_submissions integer NOT NULL DEFAULT 0
);
CREATE TABLE joins (
    challenge_id text NOT NULL,
    team_id uuid NOT NULL,
    PRIMARY KEY (challenge_id, team_id)
);
CREATE TABLE submissions (
    submission_id uuid PRIMARY KEY,
    challenge_id text NOT NULL,
    team_id uuid NOT NULL,
    name text NOT NULL,
    files text[] NOT NULL,
    submitted_at timestamptz NOT NULL,
    state text NOT NULL,
    run_id uuid,
    pool text NOT NULL,
    n_folds integer,
    outcome text,
    reason text,
    failed_fold integer,
    traceback_digest text,
    finished_at timestamptz,
    -- The ScoreComputed event's data, once there is one.
    score text,
    -- Changes with every change of the row: an open stream sends when it does.
    changed_at_position bigint NOT NULL
);
CREATE INDEX submissions_by_challenge ON submissions (challenge_id, state);
CREATE INDEX submissions_by_team ON submissions (team_id);
CREATE INDEX submissions_by_run ON submissions (run_id);
CREATE TABLE folds (
    run_id uuid NOT NULL,
    fold integer NOT NULL,
    -- Null for a fold that failed.
    train_time_s double precision,
    valid_time_s double precision,
    test_time_s double precision,
    peak_memory_bytes bigint,
    log_digest text,
    PRIMARY KEY (run_id, fold)
);
"""


def upgrade() -> None:
    """Create it."""
    op.get_bind().exec_driver_sql(STATEMENTS)
