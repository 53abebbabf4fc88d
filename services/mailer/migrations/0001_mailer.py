"""What the mailer must know of people, teams and challenges, and the mails that are to be sent."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = """
CREATE TABLE checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL DEFAULT 0
);
INSERT INTO checkpoint DEFAULT VALUES;
-- Names and addresses stay sealed here: erasing a person destroys the key, and nothing else has to be found and changed.
CREATE TABLE users (
    user_id uuid PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL
);
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
CREATE TABLE problems (
    problem_id text NOT NULL,
    version integer NOT NULL,
    -- The metrics of ProblemPrepared, as JSON: how a score is printed.
    metrics text NOT NULL,
    score_kind text NOT NULL,
    PRIMARY KEY (problem_id, version)
);
CREATE TABLE challenges (
    challenge_id text PRIMARY KEY,
    title text NOT NULL,
    problem_id text NOT NULL
);
CREATE TABLE submissions (
    submission_id uuid PRIMARY KEY,
    challenge_id text NOT NULL,
    team_id uuid NOT NULL,
    name text NOT NULL
);
CREATE TABLE outbox (
    mail_id uuid PRIMARY KEY,
    kind text NOT NULL,
    user_id uuid NOT NULL,
    submission_id uuid NOT NULL,
    caused_by uuid NOT NULL,
    -- Where in the ledger the cause stands: its facts are read from there when the mail is written.
    caused_at_position bigint NOT NULL,
    caused_at timestamptz NOT NULL,
    message_id text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    -- For a mail that is being sent: until when the sender's claim on it holds.
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    sent_at timestamptz
);
CREATE INDEX outbox_due ON outbox (next_attempt_at, caused_at_position) WHERE state IN ('pending', 'sending');
"""


def upgrade() -> None:
    """Create it."""
    op.get_bind().exec_driver_sql(STATEMENTS)
