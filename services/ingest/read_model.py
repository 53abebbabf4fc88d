"""Ingest's tables, made anew from the ledger. In use they are written with the events themselves, in one transaction.

For a database that was lost or damaged: what decides who exists, what is open and which names are taken must never differ from
what was recorded, and `palio projection check` says whether it does.
"""

from pathlib import Path

from sqlalchemy import text

from services.ingest.names import name_key
from shared.events import (
    ChallengeCreated,
    JoinApproved,
    ProblemPublished,
    RecordedEvent,
    SubmissionUploaded,
    TeamCreated,
    UserRegistered,
)
from shared.ledger import Handlers, OwnColumns, ReadModel, Rows
from shared.vault import ERASED, unseal_all


def when_user_registered(rows: Rows, event: UserRegistered, _recorded: RecordedEvent) -> None:
    """A person, unless they were forgotten. Their team comes with the next event."""
    name, email = unseal_all(rows.connection, [(event.user_id, event.name), (event.user_id, event.email)])
    if email == ERASED:
        return
    rows.execute(
        text("INSERT INTO users VALUES (:user_id, :name, :name_key, :email, :email_key, :user_id)"),
        {
            "user_id": event.user_id,
            "name": name,
            "name_key": name_key(name),
            "email": email,
            "email_key": name_key(email),
        },
    )


def when_team_created(rows: Rows, event: TeamCreated, _recorded: RecordedEvent) -> None:
    """Its members submit for it."""
    statement = text("UPDATE users SET team_id = :team_id WHERE user_id = ANY(CAST(:members AS uuid[]))")
    rows.execute(statement, {"team_id": event.team_id, "members": [str(each) for each in event.members]})


def when_problem_published(rows: Rows, event: ProblemPublished, _recorded: RecordedEvent) -> None:
    """The newest version, and whose it is."""
    rows.execute(
        text(
            "INSERT INTO problems VALUES (:problem_id, :organiser_id, :version)"
            " ON CONFLICT (problem_id) DO UPDATE SET version = excluded.version"
        ),
        {"problem_id": event.problem_id, "organiser_id": event.organiser_id, "version": event.version},
    )


def when_challenge_created(rows: Rows, event: ChallengeCreated, _recorded: RecordedEvent) -> None:
    """Its rules."""
    statement = text("INSERT INTO challenges VALUES (:challenge_id, :rules)")
    rows.execute(statement, {"challenge_id": event.challenge_id, "rules": event.model_dump_json()})


def when_join_approved(rows: Rows, event: JoinApproved, _recorded: RecordedEvent) -> None:
    """A team that may submit."""
    statement = text("INSERT INTO joins VALUES (:challenge_id, :team_id)")
    rows.execute(statement, {"challenge_id": event.challenge_id, "team_id": event.team_id})


def when_submission_uploaded(rows: Rows, event: SubmissionUploaded, recorded: RecordedEvent) -> None:
    """A name that is taken."""
    rows.execute(
        text("INSERT INTO submissions VALUES (:submission_id, :challenge_id, :team_id, :name, :name_key, :recorded_at)"),
        {
            "submission_id": event.submission_id,
            "challenge_id": event.challenge_id,
            "team_id": event.team_id,
            "name": event.name,
            "name_key": name_key(event.name),
            "recorded_at": recorded.recorded_at,
        },
    )


HANDLERS: Handlers = {
    UserRegistered: when_user_registered,
    TeamCreated: when_team_created,
    ProblemPublished: when_problem_published,
    ChallengeCreated: when_challenge_created,
    JoinApproved: when_join_approved,
    SubmissionUploaded: when_submission_uploaded,
}

READ_MODEL = ReadModel(
    "ingest",
    Path(__file__).parent / "migrations",
    HANDLERS,
    own_columns={
        # Written before the ledger's clock is read; written as an earlier release wrote them. Neither is read.
        "submissions": OwnColumns("submission_id", ("recorded_at",)),
        "challenges": OwnColumns("challenge_id", ("rules",)),
    },
    own_tables=frozenset({"idempotency_keys"}),
    follows=False,
)
