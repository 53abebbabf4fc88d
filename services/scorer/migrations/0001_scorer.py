"""What the scorer must know of candidates for ensembles, of what another version of a problem has not scored yet, and whose place that moves."""

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
    problem_id text NOT NULL,
    problem_version integer NOT NULL,
    ensemble_size integer NOT NULL,
    ensemble_min_improvement double precision NOT NULL,
    -- Positions: of the last score by this version, or of its adoption; and up to which scores were looked at.
    scored_at_position bigint NOT NULL,
    looked_at_position bigint NOT NULL,
    -- The version of the ensemble's stream; and the EnsembleComputed event's data, once there is one.
    stream_version bigint NOT NULL,
    ensemble text
);
CREATE INDEX challenges_due ON challenges (scored_at_position) WHERE scored_at_position > looked_at_position;
CREATE TABLE submissions (
    submission_id uuid PRIMARY KEY,
    challenge_id text NOT NULL,
    team_id uuid NOT NULL,
    submitted_at timestamptz NOT NULL,
    uploaded_at_position bigint NOT NULL
);
CREATE INDEX submissions_by_challenge ON submissions (challenge_id, uploaded_at_position);
-- Runs that may stand on boards: no reproductions.
CREATE TABLE runs (
    run_id uuid PRIMARY KEY,
    submission_id uuid NOT NULL,
    number integer NOT NULL,
    -- That it was requested with.
    problem_version integer NOT NULL,
    output_limit_bytes bigint NOT NULL,
    -- Where its predictions are; null before it is trained.
    pool text,
    predictions_digests text[]
);
CREATE INDEX runs_by_submission ON runs (submission_id, number);
-- Which run of a submission stands by a version of the problem: the one that was scored last by it, and where that is recorded.
CREATE TABLE scored (
    submission_id uuid NOT NULL,
    problem_version integer NOT NULL,
    run_id uuid NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (submission_id, problem_version)
);
-- Runs that another version than theirs could not score.
CREATE TABLE not_rescored (
    run_id uuid NOT NULL,
    problem_version integer NOT NULL,
    PRIMARY KEY (run_id, problem_version)
);
"""


def upgrade() -> None:
    """Create the tables."""
    op.get_bind().exec_driver_sql(STATEMENTS)
