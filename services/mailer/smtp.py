"""The conversation with the mail server, and what its answers mean for a mail."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage

import aiosmtplib

from shared.settings import MailerSettings

#: One command. A server that is alive answers far sooner; RFC 5321 allows minutes, which would hold up all other mails.
COMMAND_TIMEOUT_S = 30.0
FIRST_PERMANENT_CODE = 500


class MailServerAwayError(Exception):
    """No mail can be handed over now: the server is away, or refuses us rather than a mail. Nothing was sent."""


class RefusedForNowError(Exception):
    """This mail was not taken, or it is not known whether it was; the next try may go through."""


class RefusedForGoodError(Exception):
    """This mail will never be taken."""


@dataclass(frozen=True)
class MailServer:
    """How to reach the mail server."""

    settings: MailerSettings

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Conversation"]:
        """A conversation for any number of mails. Raises `MailServerAwayError`."""
        settings = self.settings
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user or None,
            password=settings.smtp_password.get_secret_value() or None,
            use_tls=settings.smtp_security == "tls",
            # Demanded, or not even tried: taking it where offered would fall back to plain text without a word.
            start_tls=settings.smtp_security == "starttls",
            timeout=COMMAND_TIMEOUT_S,
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            client.close()
            raise MailServerAwayError(f"{settings.smtp_host}:{settings.smtp_port}: {error}") from error
        try:
            yield Conversation(client, settings.mail_timeout_s)
        except BaseException:
            # No goodbye: a server that hangs would hold up our own end.
            client.close()
            raise
        try:
            await client.quit()
        except (aiosmtplib.SMTPException, OSError):
            # What mattered has been answered.
            client.close()


@dataclass(frozen=True)
class Conversation:
    """An open connection."""

    client: aiosmtplib.SMTP
    #: For one mail, with all its commands: below the claim on it (`services.mailer.outbox`).
    mail_timeout_s: float

    @property
    def is_open(self) -> bool:
        """Whether another mail can be handed over."""
        return bool(self.client.is_connected)

    async def send(self, message: EmailMessage, sender: str, recipient: str) -> None:
        """Hand over one mail; when this returns, the server is responsible for it.

        Raises `RefusedForNowError`, `RefusedForGoodError`, and `MailServerAwayError` if it refuses us.
        """
        try:
            async with asyncio.timeout(self.mail_timeout_s):
                await self.client.send_message(message, sender=sender, recipients=[recipient])
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            if not isinstance(error, aiosmtplib.SMTPResponseException | aiosmtplib.SMTPRecipientsRefused):
                # The connection is in an unknown state: the next mail needs a new one.
                self.client.close()
            raise meaning_of(error) from error


def meaning_of(error: Exception) -> Exception:
    """What an error in a conversation means for the mail.

    For good only where the server refuses the recipient or the message with a 5xx, or cannot carry its address. A refusal of
    us, the sender, would hit every mail alike: an operator has to mend it, and the mails wait.
    """
    text = str(error) or repr(error)
    match error:
        case aiosmtplib.SMTPSenderRefused() | aiosmtplib.SMTPHeloError() | aiosmtplib.SMTPAuthenticationError():
            return MailServerAwayError(text)
        case aiosmtplib.SMTPRecipientsRefused():
            codes = [refusal.code for refusal in error.recipients]
            text = "; ".join(f"{refusal.code} {refusal.message}" for refusal in error.recipients)
            return RefusedForGoodError(text) if min(codes, default=0) >= FIRST_PERMANENT_CODE else RefusedForNowError(text)
        case aiosmtplib.SMTPResponseException():
            text = f"{error.code} {error.message}"
            return RefusedForGoodError(text) if error.code >= FIRST_PERMANENT_CODE else RefusedForNowError(text)
        case aiosmtplib.SMTPNotSupported() | ValueError():
            return RefusedForGoodError(text)
        case _:
            return RefusedForNowError(text)
