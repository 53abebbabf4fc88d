"""The mails that are to be sent, and what became of each: every step is one short transaction.

States: pending → sending → sent, failed (the mail server will never take it, or it took too long) or dropped (nobody to
write to, or no news any more). A mail that is `sending` when its claim ends belongs to a sender that died; whoever comes next
takes it again. The server may have taken it already: what is right then, each kind of mail says (`reactions.AfterCrash`), and all
of them are sent twice, with the same Message-ID; a mail that must not come twice would need its own kind of claim.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prometheus_client import Counter, Gauge
from sqlalchemy import Connection, Engine, text

from services.mailer.silence import drop_if_off, silence_of
from shared.events import MailSent, Metadata, RecordedEvent
from shared.ledger import DuplicateEventError, NewEvent, append, derived_id
from shared.telemetry import get_logger

log = get_logger(__name__)

MAILS = Counter("palio_mails_total", "Mails, by kind and what became of them", ["kind", "result"])
WAITING = Gauge("palio_mails_waiting", "Mails that are to be sent")
OFF = Gauge("palio_mail_off", "1 while an operator, or a restore, has turned mail off: mails are dropped")

#: A claim on a mail lasts for so many times what a conversation about it may take, so it is outlived only by the dead.
CLAIM_FACTOR = 2
#: From the cause on. After three days a mail about a submission is no news, and a mail server that was away for so long
#: would get all of them at once.
GIVE_UP = timedelta(days=3)
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=2)
#: Enough for what a mail server says; its words may be long.
MAX_ERROR_LENGTH = 500

# SKIP LOCKED: two senders who look at the same time take different mails.
TAKE = text("""
    UPDATE outbox SET state = 'sending', attempts = attempts + 1, next_attempt_at = now() + :claim,
        -- Chosen once: whatever becomes of the setting, every try says the same.
        message_id = coalesce(message_id, '<' || mail_id || '@' || :message_domain || '>')
    WHERE mail_id = (
        SELECT mail_id FROM outbox
        WHERE state IN ('pending', 'sending') AND next_attempt_at <= now() AND NOT EXISTS (SELECT FROM silence)
        ORDER BY next_attempt_at, caused_at_position LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING mail_id, kind, user_id, submission_id, challenge_id, caused_by, caused_at_position, message_id, attempts,
        caused_at < now() - :give_up AS is_too_old
""")
SECONDS_TO_NEXT = text("""
    SELECT extract(epoch FROM min(next_attempt_at) - now()) AS seconds, count(*) AS n_waiting
    FROM outbox WHERE state IN ('pending', 'sending')
""")
# In both, the claim must still be ours, and each claim is one attempt more: a sender whose claim was taken over must not undo
# what the next one does.
PUT_BACK = text("""
    UPDATE outbox SET state = 'pending', next_attempt_at = now() + :pause, last_error = :reason
    WHERE mail_id = :mail_id AND state = 'sending' AND attempts = :attempts
""")
GIVE_UP_ON = text("""
    UPDATE outbox SET state = :state, last_error = :reason
    WHERE mail_id = :mail_id AND state = 'sending' AND attempts = :attempts
""")


@dataclass(frozen=True)
class Claimed:
    """A mail that this process is sending."""

    mail_id: UUID
    kind: str
    user_id: UUID
    #: What it is about: one of these two.
    submission_id: UUID | None
    challenge_id: str | None
    caused_by: UUID
    caused_at_position: int
    message_id: str
    #: With this one.
    attempts: int
    is_too_old: bool


def retry_after(attempts: int) -> timedelta:
    """How long to wait after this many attempts: twice as long each time, up to a bound."""
    # The exponent is bounded first: 2**attempts would leave the range of a timedelta long before the attempts end.
    doublings = min(attempts - 1, 16)
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)


class Outbox:
    """The table `mailer.outbox`. Every method blocks: call it in a thread."""

    def __init__(self, engine: Engine, message_domain: str, mail_timeout_s: float = 90) -> None:
        """`message_domain`: what stands behind the @ in the Message-ID of new mails. `mail_timeout_s`: how long one is handed over."""
        self._engine = engine
        self._claim = CLAIM_FACTOR * timedelta(seconds=mail_timeout_s)
        self._message_domain = message_domain

    def seconds_to_next(self) -> float | None:
        """Until the next mail is due, 0 or less if one is; None if none waits. While mail is off, what waits is dropped first."""
        with self._engine.begin() as connection:
            silence = silence_of(connection)
            if silence is not None and (dropped := drop_if_off(connection)):
                log.warning("mail_is_off", dropped=dropped, since=silence.since.isoformat(), reason=silence.reason)
            row = connection.execute(SECONDS_TO_NEXT).one()
        OFF.set(silence is not None)
        WAITING.set(row.n_waiting)
        return None if row.seconds is None else float(row.seconds)

    def take(self) -> Claimed | None:
        """Take the mail that is due first, if one is. From here on a death of this process means that it is sent again."""
        with self._engine.begin() as connection:
            row = connection.execute(
                TAKE, {"claim": self._claim, "give_up": GIVE_UP, "message_domain": self._message_domain}
            ).one_or_none()
        return None if row is None else Claimed(**row._mapping)  # noqa: SLF001  (SQLAlchemy's public name)

    def sent(self, mail: Claimed, cause: RecordedEvent) -> None:
        """Record that a mail server took it: state and event in one transaction. A second call changes nothing."""
        event = MailSent(
            mail_id=mail.mail_id,
            kind=mail.kind,
            user_id=mail.user_id,
            caused_by=mail.caused_by,
            message_id=mail.message_id,
        )
        metadata = Metadata(
            correlation_id=cause.metadata.correlation_id, causation_id=cause.id, traceparent=cause.metadata.traceparent
        )
        try:
            with self._engine.begin() as connection:
                _mark_sent(connection, mail)
                append(connection, [NewEvent(event, metadata, id=derived_id(mail.mail_id, "sent"))])
        except DuplicateEventError:
            # Another sender took over the claim and was quicker, so the fact is known.
            with self._engine.begin() as connection:
                _mark_sent(connection, mail)
        MAILS.labels(mail.kind, "sent").inc()

    def put_back(self, mail: Claimed, reason: str) -> timedelta:
        """Let it be tried again later; returns when."""
        pause = retry_after(mail.attempts)
        values = {"mail_id": mail.mail_id, "attempts": mail.attempts, "pause": pause, "reason": reason[:MAX_ERROR_LENGTH]}
        with self._engine.begin() as connection:
            connection.execute(PUT_BACK, values)
        MAILS.labels(mail.kind, "put_back").inc()
        return pause

    def failed(self, mail: Claimed, reason: str) -> None:
        """Give it up: it can't be delivered."""
        self._give_up(mail, "failed", reason)

    def dropped(self, mail: Claimed, reason: str) -> None:
        """Give it up: there is nobody to write to, or nothing new to say."""
        self._give_up(mail, "dropped", reason)

    def _give_up(self, mail: Claimed, state: str, reason: str) -> None:
        values = {"mail_id": mail.mail_id, "attempts": mail.attempts, "state": state, "reason": reason[:MAX_ERROR_LENGTH]}
        with self._engine.begin() as connection:
            connection.execute(GIVE_UP_ON, values)
        MAILS.labels(mail.kind, state).inc()


def _mark_sent(connection: Connection, mail: Claimed) -> None:
    """Whoever holds the claim by now: that the server took it is a fact."""
    statement = text("UPDATE outbox SET state = 'sent', sent_at = now() WHERE mail_id = :mail_id AND state <> 'sent'")
    connection.execute(statement, {"mail_id": mail.mail_id})
