"""A mail server that delivers nothing: what it is given it keeps, one file a mail, in a Maildir.

python -m deploy.local.mailcatcher PORT FOLDER     listen on 127.0.0.1
python -m deploy.local.mailcatcher --show FOLDER   print what was caught
"""

import asyncio
import mailbox
import signal
import sys
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP

from deploy.local.ports import LOOPBACK

#: Largest mail that it takes; tracebacks are cut long before.
_MAX_BYTES = 32 * 2**20


async def serve(port: int, folder: Path) -> None:
    """Take mails until SIGTERM. A mail is acknowledged after it stands in the folder."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    handler: Any = Mailbox(folder)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="localhost", data_size_limit=_MAX_BYTES, enable_SMTPUTF8=True, loop=loop),
        LOOPBACK,
        port,
    )
    await stop.wait()
    # Not waited for: a client that keeps its connection open would hold up the end (from Python 3.12 on).
    server.close()


def caught_mails(folder: Path) -> list[EmailMessage]:
    """What was caught, oldest first; empty if the folder is not there yet."""
    if not folder.exists():
        return []
    box = mailbox.Maildir(folder, create=False)
    parser = BytesParser(policy=policy.default)
    keys = sorted(box.keys(), key=lambda key: box.get_message(key).get_date())
    return [parser.parsebytes(box.get_bytes(key)) for key in keys]


def show(folder: Path) -> str:
    """What was caught, for a person: heads and text parts."""
    pages = []
    for mail in caught_mails(folder):
        body = mail.get_body(("plain", "html"))
        text = body.get_content().strip() if body is not None else ""
        pages.append(f"To: {mail['To']}\nSubject: {mail['Subject']}\nDate: {mail['Date']}\n\n{text}\n")
    return "\n----\n".join(pages) if pages else f"No mail in {folder} yet.\n"


def main() -> None:
    """Serve, or show."""
    if sys.argv[1] == "--show":
        sys.stdout.write(show(Path(sys.argv[2])))
    else:
        asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))


if __name__ == "__main__":
    main()
