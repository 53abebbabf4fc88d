"""From which ledger position on a submission was in which state."""

from alembic import op

revision = "0006"
down_revision = "0005"

# No data of an event is read here (it may hold what PostgreSQL's JSON refuses): the types of a submission's events, and what became of
# it, say all. What the projection has not taken in yet, it will write itself.
STATEMENTS = """
CREATE TABLE submission_states (
    submission_id uuid NOT NULL,
    from_position bigint NOT NULL,
    state text NOT NULL,
    -- From the closed list, where the state has one.
    outcome text,
    PRIMARY KEY (submission_id, from_position)
);
WITH facts AS (
    SELECT s.submission_id, s.state, s.outcome, e.type, e.position,
        row_number() OVER (PARTITION BY s.submission_id, e.type ORDER BY e.position) AS number,
        bool_or(e.type IN ('ScoreComputed', 'ScoringFailed')) OVER (PARTITION BY s.submission_id) OR s.state = 'trained' AS was_trained
    FROM submissions s JOIN ledger.events e
        ON e.stream IN ('submission-' || s.submission_id, 'run-' || s.run_id, 'score-' || s.run_id)
    WHERE e.position <= (SELECT position FROM checkpoint)
)
INSERT INTO submission_states (submission_id, from_position, state, outcome)
    SELECT submission_id, position,
        CASE type
            WHEN 'SubmissionUploaded' THEN 'uploaded'
            WHEN 'TrainingRequested' THEN 'queued'
            WHEN 'TrainingStarted' THEN 'training'
            WHEN 'SubmissionWithdrawn' THEN 'withdrawn'
            WHEN 'ScoreComputed' THEN 'scored'
            WHEN 'ScoringFailed' THEN 'failed'
            ELSE CASE WHEN was_trained THEN 'trained' WHEN outcome = 'withdrawn' THEN 'withdrawn' ELSE 'failed' END
        END,
        CASE
            WHEN type IN ('SubmissionWithdrawn', 'ScoreComputed', 'ScoringFailed') THEN outcome
            WHEN type = 'TrainingFinished' AND NOT was_trained THEN outcome
        END
    FROM facts
    WHERE type IN ('SubmissionUploaded', 'TrainingStarted', 'TrainingFinished', 'SubmissionWithdrawn', 'ScoreComputed', 'ScoringFailed')
        OR (type = 'TrainingRequested' AND number = 1);
-- Withdrawn before its turn came: nothing here says which run's stream that is on, but nothing has changed the row since.
INSERT INTO submission_states (submission_id, from_position, state, outcome)
    SELECT submission_id, changed_at_position, state, outcome FROM submissions WHERE state = 'withdrawn' AND run_id IS NULL;
"""


def upgrade() -> None:
    """Make the table, and fill it with what the ledger says so far."""
    op.get_bind().exec_driver_sql(STATEMENTS)
