"""Which mail an event causes: a projection of the ledger into what the mailer knows, and into its outbox.

The mails that an event causes are written in the transaction that moves the checkpoint past it. So an event causes its mails
exactly once, whatever is redelivered, and finds everything that was recorded before it, whatever order messages come in.
Nothing is sent here, and no server but PostgreSQL is asked.

The outbox too can be dropped and made again: `MailSent` marks what was sent, and what is too old is not sent any more
(`services.mailer.delivery`), so a rebuild repeats no mail that a server took.
"""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shared.events import (
    ChallengeCreated,
    Event,
    MailSent,
    Outcome,
    ProblemPrepared,
    RecordedEvent,
    ScoreComputed,
    ScoringFailed,
    SubmissionUploaded,
    TeamCreated,
    TrainingFinished,
    UserRegistered,
)
from shared.ledger import Handlers, derived_id

SCHEMA = "mailer"


class Kind(StrEnum):
    """The mails there are; also the names of their templates."""

    SCORED = "scored"
    FAILED = "failed"
    SCORING_FAILED = "scoring_failed"


def handlers(message_domain: str) -> Handlers:
    """What to do with each event. `message_domain` is what stands behind the @ in the Message-ID of new mails."""

    def when_score_computed(connection: Connection, event: ScoreComputed, recorded: RecordedEvent) -> None:
        enqueue(Kind.SCORED, event.submission_id, connection, recorded)

    def when_training_finished(connection: Connection, event: TrainingFinished, recorded: RecordedEvent) -> None:
        # Trained: the score is the news. Withdrawn: a member did it, and has seen it.
        if event.outcome not in {Outcome.TRAINED, Outcome.WITHDRAWN}:
            enqueue(Kind.FAILED, event.submission_id, connection, recorded)

    def when_scoring_failed(connection: Connection, event: ScoringFailed, recorded: RecordedEvent) -> None:
        enqueue(Kind.SCORING_FAILED, event.submission_id, connection, recorded)

    def enqueue(kind: Kind, submission_id: UUID, connection: Connection, recorded: RecordedEvent) -> None:
        for user_id in _members(connection, submission_id):
            mail_id = derived_id(recorded.id, user_id, kind)
            connection.execute(
                ENQUEUE,
                {
                    "mail_id": mail_id,
                    "kind": kind,
                    "user_id": user_id,
                    "submission_id": submission_id,
                    "caused_by": recorded.id,
                    "caused_at_position": recorded.position,
                    "caused_at": recorded.recorded_at,
                    "message_id": f"<{mail_id}@{message_domain}>",
                },
            )

    reactions: dict[type[Event], Callable[[Connection, Any, RecordedEvent], None]] = {
        ScoreComputed: when_score_computed,
        TrainingFinished: when_training_finished,
        ScoringFailed: when_scoring_failed,
    }
    return {**KNOWLEDGE, **reactions}


ENQUEUE = text(
    "INSERT INTO mailer.outbox"
    " (mail_id, kind, user_id, submission_id, caused_by, caused_at_position, caused_at, message_id)"
    " VALUES (:mail_id, :kind, :user_id, :submission_id, :caused_by, :caused_at_position, :caused_at, :message_id)"
)
MEMBERS = text(
    "SELECT m.user_id FROM mailer.members m JOIN mailer.submissions s USING (team_id)"
    " WHERE s.submission_id = :submission_id ORDER BY m.user_id"
)


def _members(connection: Connection, submission_id: UUID) -> list[UUID]:
    return list(connection.execute(MEMBERS, {"submission_id": submission_id}).scalars())


def when_user_registered(connection: Connection, event: UserRegistered, _recorded: RecordedEvent) -> None:
    """Know the person; name and address stay sealed."""
    statement = text("INSERT INTO mailer.users VALUES (:user_id, :name, :email)")
    connection.execute(statement, {"user_id": event.user_id, "name": event.name, "email": event.email})


def when_team_created(connection: Connection, event: TeamCreated, _recorded: RecordedEvent) -> None:
    """Know the team and who is in it."""
    sealed_for = event.members[0] if event.name_is_sealed else None
    statement = text("INSERT INTO mailer.teams VALUES (:team_id, :name, :sealed_for)")
    connection.execute(statement, {"team_id": event.team_id, "name": event.name, "sealed_for": sealed_for})
    members = text("INSERT INTO mailer.members VALUES (:team_id, :user_id)")
    for user_id in event.members:
        connection.execute(members, {"team_id": event.team_id, "user_id": user_id})


def when_problem_prepared(connection: Connection, event: ProblemPrepared, _recorded: RecordedEvent) -> None:
    """Know how the problem's scores are printed."""
    statement = text("INSERT INTO mailer.problems VALUES (:problem_id, :version, :metrics, :score_kind)")
    metrics = json.dumps([metric.model_dump() for metric in event.metrics])
    values = {"problem_id": event.problem_id, "version": event.version, "metrics": metrics, "score_kind": event.score_kind}
    connection.execute(statement, values)


def when_challenge_created(connection: Connection, event: ChallengeCreated, _recorded: RecordedEvent) -> None:
    """Know what the challenge is called."""
    statement = text("INSERT INTO mailer.challenges VALUES (:challenge_id, :title, :problem_id)")
    connection.execute(statement, {"challenge_id": event.challenge_id, "title": event.title, "problem_id": event.problem_id})


def when_submission_uploaded(connection: Connection, event: SubmissionUploaded, _recorded: RecordedEvent) -> None:
    """Know whose submission it is, and what they call it."""
    statement = text("INSERT INTO mailer.submissions VALUES (:submission_id, :challenge_id, :team_id, :name)")
    connection.execute(
        statement,
        {
            "submission_id": event.submission_id,
            "challenge_id": event.challenge_id,
            "team_id": event.team_id,
            "name": event.name,
        },
    )


def when_mail_sent(connection: Connection, event: MailSent, recorded: RecordedEvent) -> None:
    """Mark it as sent. In ordinary running it is already: this is for an outbox that is made again."""
    statement = text(
        "UPDATE mailer.outbox SET state = 'sent', sent_at = :sent_at, message_id = :message_id WHERE mail_id = :mail_id AND state <> 'sent'"
    )
    values = {"mail_id": event.mail_id, "sent_at": recorded.recorded_at, "message_id": event.message_id}
    connection.execute(statement, values)


KNOWLEDGE: Handlers = {
    UserRegistered: when_user_registered,
    TeamCreated: when_team_created,
    ProblemPrepared: when_problem_prepared,
    ChallengeCreated: when_challenge_created,
    SubmissionUploaded: when_submission_uploaded,
    MailSent: when_mail_sent,
}
