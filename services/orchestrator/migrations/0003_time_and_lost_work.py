"""The times of challenges that are still to come, what the scorer owes, and what tells that a request is lost."""

import json
from collections.abc import Iterator

from alembic import op
from sqlalchemy import Connection, Row, text

revision = "0003"
down_revision = "0002"

STATEMENTS = """
-- Times of challenges of which the ledger does not say yet that they have come.
CREATE TABLE challenge_times (
    challenge_id text NOT NULL,
    -- 1: it opens, 2: its code opens, 3: it closes.
    number integer NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (challenge_id, number)
);
CREATE INDEX challenge_times_due ON challenge_times (due_at);
-- Published versions of problems of which nothing came yet.
CREATE TABLE owed_preparations (
    problem_id text NOT NULL,
    version integer NOT NULL,
    -- When it was published, or last asked for again.
    asked_at timestamptz NOT NULL,
    -- How often it was asked for again.
    attempt integer NOT NULL DEFAULT 0,
    PRIMARY KEY (problem_id, version)
);
-- Trained runs without a score.
CREATE TABLE owed_scores (
    run_id uuid PRIMARY KEY,
    submission_id uuid NOT NULL,
    asked_at timestamptz NOT NULL,
    attempt integer NOT NULL DEFAULT 0
);
-- Null in rows that an earlier release writes: then nothing is concluded from them.
ALTER TABLE runs ADD COLUMN time_limit_s double precision;
ALTER TABLE runs ADD COLUMN n_folds integer;
ALTER TABLE runs ADD COLUMN last_fact_at timestamptz;
-- When a later request of the same queue was begun before this one.
ALTER TABLE jobs ADD COLUMN overtaken_at timestamptz;
CREATE INDEX jobs_requested ON jobs (requested_at) WHERE requested_at IS NOT NULL AND started_at IS NULL;
"""

OF_TYPES = "SELECT stream, type, data, recorded_at FROM ledger.events WHERE position <= :position AND type = ANY(:types)"
FACTS_OF_RUN = """
    SELECT stream, type, data, recorded_at FROM ledger.events WHERE position <= :position AND stream IN (:run, :submission)
    ORDER BY position
"""


def upgrade() -> None:
    """Make the tables, and fill them with what the ledger says up to where the others are."""
    connection = op.get_bind()
    connection.exec_driver_sql(STATEMENTS)
    position = connection.execute(text("SELECT position FROM checkpoint FOR UPDATE")).scalar_one()
    if position:
        _fill_challenge_times(connection, position)
        _fill_owed(connection, position)
        _fill_runs(connection, position)


def _events(connection: Connection, position: int, *types: str) -> Iterator[tuple[Row[tuple[object, ...]], dict[str, object]]]:
    for row in connection.execute(text(OF_TYPES), {"position": position, "types": list(types)}):
        yield row, json.loads(row.data)


def _fill_challenge_times(connection: Connection, position: int) -> None:
    statement = text("INSERT INTO challenge_times VALUES (:challenge_id, :number, :due_at)")
    for _, data in _events(connection, position, "ChallengeCreated"):
        for number, name in enumerate(("opens_at", "code_opens_at", "closes_at"), start=1):
            values = {"challenge_id": data["challenge_id"], "number": number, "due_at": data[name]}
            connection.execute(statement, values)


def _fill_owed(connection: Connection, position: int) -> None:
    done = {
        (data["problem_id"], data["version"])
        for _, data in _events(connection, position, "ProblemPrepared", "ProblemPreparationFailed")
    }
    for row, data in _events(connection, position, "ProblemPublished"):
        if (data["problem_id"], data["version"]) not in done:
            connection.execute(
                text("INSERT INTO owed_preparations VALUES (:problem_id, :version, :at)"),
                {"problem_id": data["problem_id"], "version": data["version"], "at": row.recorded_at},
            )
    scored = {data["run_id"] for _, data in _events(connection, position, "ScoreComputed", "ScoringFailed")}
    for row, data in _events(connection, position, "TrainingFinished"):
        if data["outcome"] == "trained" and data["run_id"] not in scored:
            connection.execute(
                text("INSERT INTO owed_scores VALUES (:run_id, :submission_id, :at)"),
                {"run_id": data["run_id"], "submission_id": data["submission_id"], "at": row.recorded_at},
            )


def _fill_runs(connection: Connection, position: int) -> None:
    update = text("UPDATE runs SET time_limit_s = :time_limit_s, n_folds = :n_folds, last_fact_at = :at WHERE run_id = :run_id")
    for run in connection.execute(text("SELECT run_id, submission_id FROM runs")).all():
        streams = {"run": f"run-{run.run_id}", "submission": f"submission-{run.submission_id}"}
        found: dict[str, object] = {"time_limit_s": None, "n_folds": None, "at": None}
        for row in connection.execute(text(FACTS_OF_RUN), {"position": position, **streams}):
            data = json.loads(row.data)
            found["at"] = row.recorded_at
            if row.type == "SubmissionUploaded":
                found["time_limit_s"] = data["limits"]["time_limit_s"]
            elif row.type == "TrainingRequested":
                found["n_folds"] = data["n_folds"]
        connection.execute(update, {"run_id": run.run_id, **found})
