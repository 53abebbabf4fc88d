"""What ingest must know to decide: who exists, what is open, who takes part, which names are taken."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = """
CREATE TABLE users (
    user_id uuid PRIMARY KEY,
    name text NOT NULL,
    -- How names and addresses are compared: case-folded and in one Unicode form.
    name_key text NOT NULL CONSTRAINT users_name_is_unique UNIQUE,
    email text NOT NULL,
    email_key text NOT NULL CONSTRAINT users_email_is_unique UNIQUE,
    team_id uuid NOT NULL
);
CREATE TABLE problems (
    problem_id text PRIMARY KEY,
    organiser_id uuid NOT NULL,
    version integer NOT NULL
);
CREATE TABLE challenges (
    challenge_id text PRIMARY KEY,
    -- The ChallengeCreated event's data: the rules that a submission is checked against.
    rules text NOT NULL
);
CREATE TABLE joins (
    challenge_id text NOT NULL REFERENCES challenges,
    team_id uuid NOT NULL,
    PRIMARY KEY (challenge_id, team_id)
);
CREATE TABLE submissions (
    submission_id uuid PRIMARY KEY,
    challenge_id text NOT NULL,
    team_id uuid NOT NULL,
    name text NOT NULL,
    -- Compared like names of people: two submissions that look the same are the same name.
    name_key text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX submissions_by_name ON submissions (challenge_id, team_id, name_key);
CREATE TABLE idempotency_keys (
    user_id uuid NOT NULL,
    key text NOT NULL,
    request_digest bytea NOT NULL,
    response text NOT NULL,
    position bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
"""


def upgrade() -> None:
    """Create it."""
    op.get_bind().exec_driver_sql(STATEMENTS)
