"""From facts to a mail: the words (templates), and the message around them (RFC 5322).

Pure. Names are text wherever they stand: escaped in HTML, one line in headers, which the `email` package encodes.
"""

from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.mailer.facts import Facts
from services.mailer.reactions import Kind
from services.mailer.tracebacks import one_line
from shared.events import Outcome

#: The closed list, in words. What is not the team's fault says so.
OUTCOMES = {
    Outcome.IMPORT_ERROR: "Your code could not be imported.",
    Outcome.TRAIN_ERROR: "Your code raised an error while training.",
    Outcome.PREDICT_ERROR: "Your code raised an error while predicting.",
    Outcome.BAD_PREDICTIONS: "The predictions do not have the shape or values that this challenge asks for.",
    Outcome.TIME_LIMIT: "The time limit was reached.",
    Outcome.MEMORY_LIMIT: "The memory limit was reached.",
    Outcome.OUTPUT_LIMIT: "The limit on written output was reached.",
    Outcome.CRASHED: "Your code ended its own process.",
    Outcome.KIT_ERROR: "The challenge's own code failed.",
    Outcome.ENVIRONMENT_ERROR: "The challenge's environment failed.",
    Outcome.SYSTEM_ERROR: "The platform failed.",
}


class UnwritableAddressError(Exception):
    """No mail can be addressed to this."""


@dataclass(frozen=True)
class Words:
    """A mail's subject, and its text twice."""

    subject: str
    text: str
    html: str


class Letters:
    """The templates: `<kind>.subject.txt`, `<kind>.txt`, `<kind>.html`. A name that nobody gave is an error."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=select_autoescape(("html",), default=False, default_for_string=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def words(self, kind: Kind, facts: Facts) -> Words:
        """The mail of this kind about these facts."""
        outcome = OUTCOMES.get(facts.failure.outcome, "") if facts.failure else ""
        width = max((len(score.metric) for score in facts.scores), default=0)
        subject, text, html = (
            self._templates.get_template(f"{kind}.{suffix}").render(facts=facts, outcome=outcome, width=width)
            for suffix in ("subject.txt", "txt", "html")
        )
        return Words(header_text(subject), text, html)


def header_text(text: str) -> str:
    """A text as it may be given to a header of the `email` package: one line, and no encoded word.

    That package (Python 3.11) takes what it is given for a header's source: it decodes `=?utf-8?q?x=0d=0aBcc:_v@e?=` in a
    name, and writes the line end that comes out.
    """
    return one_line(text).replace("=?", "= ?")


def compose(words: Words, facts: Facts, message_id: str, sender: str, now: datetime) -> EmailMessage:
    """The whole message. Raises `UnwritableAddressError`.

    Both bodies are quoted-printable, so any mail server can carry them and no line is too long.
    """
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = sender
    try:
        message["To"] = Address(display_name=header_text(facts.name), addr_spec=facts.email)
    except (ValueError, HeaderParseError, IndexError) as error:
        # IndexError: what the parser of Python 3.11 raises for some addresses that end early.
        raise UnwritableAddressError(str(error)) from error
    message["Subject"] = words.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    # RFC 3834: no holiday notices in return.
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = "en"
    message.set_content(words.text, cte="quoted-printable")
    message.add_alternative(words.html, subtype="html", cte="quoted-printable")
    return message


def address_of(sender: str) -> str:
    """The bare address of a sender such as `Palio <palio@example.org>`."""
    return parseaddr(sender)[1]


def domain_of(sender: str) -> str:
    """What stands behind the @ of a sender's address; `localhost` for one without."""
    _, at, domain = address_of(sender).rpartition("@")
    return domain if at else "localhost"
