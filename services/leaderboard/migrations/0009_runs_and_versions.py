"""Further runs of submissions, scores by versions of problems that their challenges do not run yet, and what boards showed before."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = """
ALTER TABLE submissions ADD COLUMN run_number integer NOT NULL DEFAULT 1;
-- What stood there until to_position; null while it stands, when the submission's own columns say it.
ALTER TABLE board_rows ADD COLUMN run_id uuid, ADD COLUMN run_number integer, ADD COLUMN score text;
CREATE TABLE requested_runs (
    run_id uuid PRIMARY KEY,
    number integer NOT NULL,
    purpose text NOT NULL
);
CREATE TABLE pending_scores (
    submission_id uuid NOT NULL,
    problem_version integer NOT NULL,
    challenge_id text NOT NULL,
    run_id uuid NOT NULL,
    score text NOT NULL,
    PRIMARY KEY (submission_id, problem_version)
);
CREATE INDEX pending_scores_by_challenge ON pending_scores (challenge_id, problem_version);
"""


def upgrade() -> None:
    """Make the tables and columns. No challenge has moved before, and no run was asked for."""
    op.get_bind().exec_driver_sql(STATEMENTS)
