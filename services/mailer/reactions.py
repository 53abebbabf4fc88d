"""Which mail an event causes: a projection of the ledger into what the mailer knows, and into its outbox.

The mails that an event causes are written in the transaction that moves the checkpoint past it. So an event causes its mails
exactly once, whatever is redelivered, and finds everything that was recorded before it, whatever order messages come in.
Nothing is sent here, and no server but PostgreSQL is asked.

The outbox too can be made anew: it keeps what its senders wrote (`SENDING`). Were even that lost, `MailSent` marks what was sent, and
what is too old is not sent any more (`services.mailer.delivery`).
"""

import json
from collections.abc import Sequence
from datetime import UTC
from enum import Enum, StrEnum
from pathlib import Path
from uuid import UUID

from shared.database import sql
from shared.events import (
    ChallengeClosed,
    ChallengeCreated,
    EnsembleComputed,
    EnsembleFailed,
    JoinApproved,
    MailSent,
    Outcome,
    ProblemPrepared,
    ProblemVersionAdopted,
    RecordedEvent,
    RescoringFailed,
    RunReproduced,
    RunRescored,
    ScoreComputed,
    ScoringFailed,
    SubmissionUploaded,
    TeamCreated,
    TrainingFinished,
    UserRegistered,
)
from shared.ledger import Handlers, OwnColumns, ReadModel, Rows, derived_id
from shared.runs import run_id_of

SCHEMA = "mailer"


class AfterCrash(Enum):
    """What becomes of a mail whose sender died after the server took it and before that was recorded: nobody can know whether it went."""

    #: It goes again, with the same Message-ID, by which mail programs that look show it once. For news: better twice than never.
    SEND_AGAIN = "it may come twice, with the same Message-ID"


class Kind(StrEnum):
    """The mails there are, which are also the names of their templates."""

    SCORED = "scored"
    FAILED = "failed"
    SCORING_FAILED = "scoring_failed"
    CHALLENGE_CLOSED = "challenge_closed"
    KIT_FAULT = "kit_fault"
    RANK_CHANGED = "rank_changed"

    @property
    def after_crash(self) -> AfterCrash:
        """Its rule for a crash."""
        return _AFTER_CRASH[self]


_AFTER_CRASH = {
    Kind.SCORED: AfterCrash.SEND_AGAIN,
    Kind.FAILED: AfterCrash.SEND_AGAIN,
    Kind.SCORING_FAILED: AfterCrash.SEND_AGAIN,
    # A hash that comes twice is the same hash.
    Kind.CHALLENGE_CLOSED: AfterCrash.SEND_AGAIN,
    Kind.KIT_FAULT: AfterCrash.SEND_AGAIN,
    Kind.RANK_CHANGED: AfterCrash.SEND_AGAIN,
}


def when_score_computed(rows: Rows, event: ScoreComputed, recorded: RecordedEvent) -> None:
    """A submission's first score is the news, whichever run it comes from; to the organiser, that some are missing."""
    if rows.execute(FIRST_SCORE, {"submission_id": event.submission_id}).rowcount:
        _enqueue_for_team(rows, Kind.SCORED, event.submission_id, recorded)
    if event.detail_digest is not None:
        _tell_organiser(rows, event.challenge_id, recorded)


def when_training_finished(rows: Rows, event: TrainingFinished, recorded: RecordedEvent) -> None:
    """Trained: the score is the news. Withdrawn: a member did it, and has seen it."""
    if _is_the_teams_own(event) and event.outcome not in {Outcome.TRAINED, Outcome.WITHDRAWN}:
        _enqueue_for_team(rows, Kind.FAILED, event.submission_id, recorded)


def when_scoring_failed(rows: Rows, event: ScoringFailed, recorded: RecordedEvent) -> None:
    """It will have no score."""
    if _is_the_teams_own(event):
        _enqueue_for_team(rows, Kind.SCORING_FAILED, event.submission_id, recorded)
    if event.outcome == "kit_error":
        _tell_organiser(rows, event.challenge_id, recorded)


def when_rescored_or_reproduced(rows: Rows, event: RunRescored | RunReproduced, recorded: RecordedEvent) -> None:
    """No news to the team: it stands on no board, or not yet. To the organiser, that a metric gave no number."""
    if event.detail_digest is not None:
        _tell_organiser(rows, event.challenge_id, recorded)


def when_rescoring_failed(rows: Rows, event: RescoringFailed, recorded: RecordedEvent) -> None:
    """The score of before stands. Without words of the kit's code it is on other data, which is nobody's fault."""
    if event.outcome == "kit_error" and event.detail_digest is not None:
        _tell_organiser(rows, event.challenge_id, recorded)


def when_problem_version_adopted(rows: Rows, event: ProblemVersionAdopted, recorded: RecordedEvent) -> None:
    """Only teams whose place it changed hear of it. Who is in two of them gets one mail that names both."""
    people = rows.execute(IN_TEAMS, {"team_ids": [move.team_id for move in event.moves]}).scalars().all()
    _enqueue(rows, Kind.RANK_CHANGED, people, recorded, challenge_id=event.challenge_id)


def when_ensemble_computed(rows: Rows, event: EnsembleComputed, recorded: RecordedEvent) -> None:
    """News only where a metric gave no number."""
    if event.detail_digest is not None:
        _tell_organiser(rows, event.challenge_id, recorded)


def when_ensemble_failed(rows: Rows, event: EnsembleFailed, recorded: RecordedEvent) -> None:
    """The kit's code failed."""
    _tell_organiser(rows, event.challenge_id, recorded)


def when_challenge_closed(rows: Rows, event: ChallengeClosed, recorded: RecordedEvent) -> None:
    """Every member of every team that joined hears of it, and the organiser; who is both, once."""
    people = rows.execute(CONCERNED, {"challenge_id": event.challenge_id}).scalars().all()
    _enqueue(rows, Kind.CHALLENGE_CLOSED, people, recorded, challenge_id=event.challenge_id)


ENQUEUE = sql(
    "INSERT INTO outbox"
    " (mail_id, kind, user_id, submission_id, challenge_id, caused_by, caused_at_position, caused_at)"
    " VALUES (:mail_id, :kind, :user_id, :submission_id, :challenge_id, :caused_by, :caused_at_position, :caused_at)"
    # A second fault of a kit on one day is no second mail.
    " ON CONFLICT (mail_id) DO NOTHING"
)
FIRST_SCORE = sql("UPDATE submissions SET is_scored = true WHERE submission_id = :submission_id AND NOT is_scored")
ORGANISER = sql("SELECT user_id FROM users JOIN challenges ON organiser_id = user_id WHERE challenge_id = :challenge_id")
MEMBERS = sql(
    "SELECT m.user_id FROM members m JOIN submissions s USING (team_id) WHERE s.submission_id = :submission_id ORDER BY m.user_id"
)
IN_TEAMS = sql("SELECT DISTINCT user_id FROM members WHERE team_id = ANY(CAST(:team_ids AS uuid[])) ORDER BY user_id")
CONCERNED = sql("""
    SELECT user_id FROM users WHERE user_id IN (
        SELECT m.user_id FROM members m JOIN joins j USING (team_id) WHERE j.challenge_id = :challenge_id
        UNION SELECT organiser_id FROM challenges WHERE challenge_id = :challenge_id
    ) ORDER BY user_id
""")


def _is_the_teams_own(event: TrainingFinished | ScoringFailed) -> bool:
    """Whether its upload asked for this run. Whoever asks for another one follows it, and if it fails, what was there stays."""
    return event.run_id == run_id_of(event.submission_id)


def _enqueue_for_team(rows: Rows, kind: Kind, submission_id: UUID, recorded: RecordedEvent) -> None:
    members = rows.execute(MEMBERS, {"submission_id": submission_id}).scalars().all()
    _enqueue(rows, kind, members, recorded, submission_id=submission_id)


def _tell_organiser(rows: Rows, challenge_id: str, recorded: RecordedEvent) -> None:
    """Whose kit it is must mend it; of one that fails with every submission, once a day (UTC) is enough."""
    people = rows.execute(ORGANISER, {"challenge_id": challenge_id}).scalars().all()
    day = recorded.recorded_at.astimezone(UTC).date()
    _enqueue(rows, Kind.KIT_FAULT, people, recorded, challenge_id=challenge_id, once=(challenge_id, day))


def _enqueue(
    rows: Rows,
    kind: Kind,
    people: Sequence[UUID],
    recorded: RecordedEvent,
    *,
    submission_id: UUID | None = None,
    challenge_id: str | None = None,
    once: Sequence[object] = (),
) -> None:
    """A mail a person; with `once`, one for all events that give the same."""
    for user_id in people:
        values = {
            "mail_id": derived_id(*(once or (recorded.id,)), user_id, kind),
            "kind": kind,
            "user_id": user_id,
            "submission_id": submission_id,
            "challenge_id": challenge_id,
            "caused_by": recorded.id,
            "caused_at_position": recorded.position,
            "caused_at": recorded.recorded_at,
        }
        rows.execute(ENQUEUE, values)


def when_user_registered(rows: Rows, event: UserRegistered, _recorded: RecordedEvent) -> None:
    """Know the person; name and address stay sealed."""
    statement = sql("INSERT INTO users VALUES (:user_id, :name, :email)")
    rows.execute(statement, {"user_id": event.user_id, "name": event.name, "email": event.email})


def when_team_created(rows: Rows, event: TeamCreated, _recorded: RecordedEvent) -> None:
    """Know the team and who is in it."""
    sealed_for = event.members[0] if event.name_is_sealed else None
    statement = sql("INSERT INTO teams VALUES (:team_id, :name, :sealed_for)")
    rows.execute(statement, {"team_id": event.team_id, "name": event.name, "sealed_for": sealed_for})
    members = sql("INSERT INTO members VALUES (:team_id, :user_id)")
    for user_id in event.members:
        rows.execute(members, {"team_id": event.team_id, "user_id": user_id})


def when_problem_prepared(rows: Rows, event: ProblemPrepared, _recorded: RecordedEvent) -> None:
    """Know how the problem's scores are printed."""
    statement = sql("INSERT INTO problems VALUES (:problem_id, :version, :metrics, :score_kind)")
    metrics = json.dumps([metric.model_dump() for metric in event.metrics])
    values = {"problem_id": event.problem_id, "version": event.version, "metrics": metrics, "score_kind": event.score_kind}
    rows.execute(statement, values)


def when_challenge_created(rows: Rows, event: ChallengeCreated, _recorded: RecordedEvent) -> None:
    """Know what the challenge is called, and whose it is."""
    rows.execute(
        sql("INSERT INTO challenges VALUES (:challenge_id, :title, :problem_id, :organiser_id)"),
        {
            "challenge_id": event.challenge_id,
            "title": event.title,
            "problem_id": event.problem_id,
            "organiser_id": event.organiser_id,
        },
    )


def when_join_approved(rows: Rows, event: JoinApproved, _recorded: RecordedEvent) -> None:
    """Know which teams take part."""
    statement = sql("INSERT INTO joins VALUES (:challenge_id, :team_id)")
    rows.execute(statement, {"challenge_id": event.challenge_id, "team_id": event.team_id})


def when_submission_uploaded(rows: Rows, event: SubmissionUploaded, _recorded: RecordedEvent) -> None:
    """Know whose submission it is, and what they call it."""
    statement = sql("INSERT INTO submissions VALUES (:submission_id, :challenge_id, :team_id, :name)")
    rows.execute(
        statement,
        {
            "submission_id": event.submission_id,
            "challenge_id": event.challenge_id,
            "team_id": event.team_id,
            "name": event.name,
        },
    )


def when_mail_sent(rows: Rows, event: MailSent, recorded: RecordedEvent) -> None:
    """Mark it as sent. In ordinary running it is already: this is for an outbox that is made again."""
    statement = sql(
        "UPDATE outbox SET state = 'sent', sent_at = :sent_at, message_id = :message_id WHERE mail_id = :mail_id AND state <> 'sent'"
    )
    values = {"mail_id": event.mail_id, "sent_at": recorded.recorded_at, "message_id": event.message_id}
    rows.execute(statement, values)


HANDLERS: Handlers = {
    UserRegistered: when_user_registered,
    TeamCreated: when_team_created,
    ProblemPrepared: when_problem_prepared,
    ChallengeCreated: when_challenge_created,
    JoinApproved: when_join_approved,
    ChallengeClosed: when_challenge_closed,
    SubmissionUploaded: when_submission_uploaded,
    ScoreComputed: when_score_computed,
    TrainingFinished: when_training_finished,
    ScoringFailed: when_scoring_failed,
    RunRescored: when_rescored_or_reproduced,
    RunReproduced: when_rescored_or_reproduced,
    RescoringFailed: when_rescoring_failed,
    ProblemVersionAdopted: when_problem_version_adopted,
    EnsembleComputed: when_ensemble_computed,
    EnsembleFailed: when_ensemble_failed,
    MailSent: when_mail_sent,
}

#: How a mail's sending stands is written by the sender, and stays as it is when the outbox is made anew: none is sent again.
SENDING = OwnColumns("mail_id", ("state", "attempts", "next_attempt_at", "last_error", "sent_at", "message_id"))
READ_MODEL = ReadModel(
    SCHEMA,
    Path(__file__).parent / "migrations",
    HANDLERS,
    own_columns={"outbox": SENDING},
    # Whether mail is off is an operator's to say.
    own_tables=frozenset({"silence"}),
)
