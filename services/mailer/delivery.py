"""The loop that sends what is due. It waits for the mail server alone; events are taken in beside it, whatever it does."""

import asyncio
from datetime import UTC, datetime

import urllib3.exceptions
from minio.error import MinioException
from prometheus_client import Gauge

from services.mailer.facts import FactFinder, Facts, NobodyToWriteToError
from services.mailer.letters import Letters, UnwritableAddressError, address_of, compose
from services.mailer.outbox import Claimed, Outbox
from services.mailer.reactions import Kind
from services.mailer.smtp import Conversation, MailServer, MailServerAwayError, RefusedForGoodError, RefusedForNowError
from shared.bus.consumer import TRANSIENT
from shared.bus.patience import patiently
from shared.faults import fault_point
from shared.telemetry import bind_log_context, get_logger

log = get_logger(__name__)

MAIL_SERVER_UP = Gauge("palio_mail_server_up", "Whether the last connection to the mail server came about: 1 or 0")

#: Looks at the outbox even if nobody rings: another mailer may have left mails behind.
LONGEST_WAIT_S = 15.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
#: After these nothing is wrong with a mail: a server is away.
WAITED_FOR: tuple[type[Exception], ...] = (MailServerAwayError, *TRANSIENT)
#: After these this mail is tried again: the object store is away or answers nonsense, or the mail server did not take it.
PUT_BACK_AFTER = (RefusedForNowError, MailServerAwayError, urllib3.exceptions.HTTPError, MinioException)


class Delivery:
    """Sends one mail after the other over one connection, for as long as any is due."""

    def __init__(self, outbox: Outbox, facts: FactFinder, letters: Letters, server: MailServer, sender: str) -> None:
        self._outbox = outbox
        self._facts = facts
        self._letters = letters
        self._server = server
        self._sender = sender
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Say that there may be new mails."""
        self._rung.set()

    async def run(self) -> None:
        """Send until cancelled. A server that is away, whichever, is waited for, longer each time."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._wait_until_due()
                await self.send_due()
            except WAITED_FOR as error:
                log.warning("delivery_waits", error=repr(error), pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                pause_s = FIRST_PAUSE_S

    async def _wait_until_due(self) -> None:
        while True:
            self._rung.clear()
            due_in_s = await asyncio.to_thread(self._outbox.seconds_to_next)
            if due_in_s is not None and due_in_s <= 0:
                return
            wait_s = LONGEST_WAIT_S if due_in_s is None else min(due_in_s, LONGEST_WAIT_S)
            try:
                async with asyncio.timeout(wait_s):
                    await self._rung.wait()
            except TimeoutError:
                continue

    async def send_due(self) -> None:
        """Send everything that is due now. Raises `MailServerAwayError`, then with no mail charged for it but the one in hand."""
        try:
            # Before a mail is taken: while the server is away no mail spends an attempt.
            async with self._server.connect() as conversation:
                MAIL_SERVER_UP.set(1)
                while conversation.is_open and (mail := await asyncio.to_thread(self._outbox.take)) is not None:
                    with bind_log_context(mail_id=str(mail.mail_id), **_about(mail)):
                        await self._deliver(mail, conversation)
                    _end_if_cancelled()
        except MailServerAwayError:
            MAIL_SERVER_UP.set(0)
            raise

    async def _deliver(self, mail: Claimed, conversation: Conversation) -> None:
        if mail.is_too_old:
            await self._give_up_late(mail)
            return
        fault_point("mailer", "taken")
        try:
            facts = await asyncio.to_thread(self._facts.find, mail)
            words = self._letters.words(Kind(mail.kind), facts)
            message = compose(words, facts, mail.message_id, self._sender, datetime.now(UTC))
            await conversation.send(message, address_of(self._sender), facts.email)
        except NobodyToWriteToError as error:
            await asyncio.to_thread(self._outbox.dropped, mail, str(error))
            log.info("mail_dropped", reason=str(error))
        except (RefusedForGoodError, UnwritableAddressError) as error:
            await asyncio.to_thread(self._outbox.failed, mail, str(error))
            # Without the address: logs are kept longer than a person may want to be known.
            log.warning("mail_failed", kind=mail.kind, attempts=mail.attempts)
        except PUT_BACK_AFTER as error:
            await self._put_back(mail, error)
            if isinstance(error, MailServerAwayError):
                raise
        except TRANSIENT:
            # The database is away, so not even this can be written down: the claim ends by itself, and the mail is due again.
            raise
        except Exception as error:
            # A defect of ours in this one mail must not stop the others; the log has the traceback.
            log.exception("mail_broken", kind=mail.kind)
            await self._put_back(mail, error)
        else:
            fault_point("mailer", "accepted")
            await self._record(mail, facts)
            fault_point("mailer", "recorded")

    async def _put_back(self, mail: Claimed, error: Exception) -> None:
        pause = await asyncio.to_thread(self._outbox.put_back, mail, str(error) or repr(error))
        log.info("mail_put_back", kind=mail.kind, attempts=mail.attempts, again_in_s=pause.total_seconds())

    async def _give_up_late(self, mail: Claimed) -> None:
        tried_before = mail.attempts > 1
        reason = "its cause is older than three days"
        await asyncio.to_thread(self._outbox.failed if tried_before else self._outbox.dropped, mail, reason)
        log.warning("mail_too_late", kind=mail.kind, attempts=mail.attempts)

    async def _record(self, mail: Claimed, facts: Facts) -> None:
        """Record that it was sent, however long the database is away: forgetting it now would send it a second time.

        What can't be recorded for a defect of ours is given up in the mailer's own tables, else it would go out again with each claim.
        """
        try:
            await patiently(lambda: asyncio.to_thread(self._outbox.sent, mail, facts.cause), "recording what was sent")
        except Exception as error:
            log.exception("mail_not_recorded", kind=mail.kind)
            reason = f"the mail server took it, but that could not be recorded: {error!r}"
            await patiently(lambda: asyncio.to_thread(self._outbox.failed, mail, reason), "giving up what can't be recorded")
        else:
            log.info("mail_sent", kind=mail.kind, attempts=mail.attempts)


def _about(mail: Claimed) -> dict[str, str]:
    return {"challenge_id": mail.challenge_id} if mail.challenge_id else {"submission_id": str(mail.submission_id)}


def _end_if_cancelled() -> None:
    """Raise what was swallowed: `asyncio.wait_for`, which aiosmtplib uses, loses a cancellation in Python 3.11 if the answer
    comes in the same moment; the loop would go on after SIGTERM.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
