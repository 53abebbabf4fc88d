"""What the scorer must know to say which submissions are candidates for a challenge's ensemble, and when to look again."""

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
    -- Positions: of the last score, and up to which scores were looked at.
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
    uploaded_at_position bigint NOT NULL,
    output_limit_bytes bigint NOT NULL,
    -- The run that was scored last; null before.
    run_id uuid,
    problem_version integer,
    scored_at_position bigint
);
CREATE INDEX submissions_by_challenge ON submissions (challenge_id, uploaded_at_position) WHERE run_id IS NOT NULL;
-- Runs that are trained: where their predictions are.
CREATE TABLE runs (
    run_id uuid PRIMARY KEY,
    pool text NOT NULL,
    predictions_digests text[] NOT NULL
);
"""


def upgrade() -> None:
    """Create the tables."""
    op.get_bind().exec_driver_sql(STATEMENTS)
