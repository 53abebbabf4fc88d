"""A real SMTP server whose answers a test chooses by the recipient's address."""

import asyncio
import email
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


class MailServer:
    """Takes mails, but for `later@…` (451 until `relent`), `never@…` (550) and `cut@…` (hangs up instead of an answer)."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self._relented = False
        self._arrivals: asyncio.Queue[EmailMessage] = asyncio.Queue()
        #: While it is not set, a mail is taken but the sender does not hear of it.
        self.answers = asyncio.Event()
        self.answers.set()

    async def next_mail(self) -> EmailMessage:
        """The next mail that is taken."""
        async with asyncio.timeout(60):
            return await self._arrivals.get()

    def relent(self) -> None:
        """From here on every mail is taken."""
        self._relented = True

    async def handle_RCPT(  # noqa: N802  (the name that aiosmtpd calls it by)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("never@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later@") and not self._relented:
            return "451 4.2.1 try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802  (as above)
        if envelope.rcpt_tos[0].startswith("cut@") and not self._relented:
            server.transport.abort()
            return "451 gone"
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        self.envelopes.append(envelope)
        self._arrivals.put_nowait(message)
        await self.answers.wait()
        return "250 taken"

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        """Serve on 127.0.0.1."""
        loop = asyncio.get_running_loop()
        handler: Any = self
        server = await loop.create_server(
            lambda: SMTP(handler, hostname="localhost", enable_SMTPUTF8=True, loop=loop), "127.0.0.1", port
        )
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()


def free_port() -> int:
    """A port where nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plain_text(message: EmailMessage) -> str:
    """The text body, with plain line ends."""
    body = message.get_body(("plain",))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")
