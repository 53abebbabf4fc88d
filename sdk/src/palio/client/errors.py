"""What can go wrong between here and the server, said in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx


class ServerUnreachableError(Exception):
    """No answer came; the message says what to do."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with what was sent, such as a line of a file."""

    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if place and self.line is not None:
            place = f"{place}:{self.line}"
        return f"{place}: {self.message}" if place else self.message


class ApiError(Exception):
    """The server answered with an error: a problem document (RFC 9457), or something else made into one.

    `str()` gives it as sentences: title, detail, and a line for each fault.
    """

    def __init__(self, status: int, title: str, detail: str | None = None, faults: Sequence[Fault] = (), code: str = "") -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.faults = tuple(faults)
        #: The last part of the document's `type`, or its extension `code`: what a program goes by.
        self.code = code
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """Title and detail as sentences, then the faults, one a line."""
        said = _sentence(self.title)
        if self.detail and self.detail.strip().rstrip(".") != self.title.strip().rstrip("."):
            said = f"{said} {_sentence(self.detail)}"
        return "\n".join([said, *(f"  {fault}" for fault in self.faults)])

    @classmethod
    def from_response(cls, response: httpx.Response) -> ApiError:
        """The error that a response with a status of 400 or more tells; its body must have been read."""
        document = _document(response)
        title = str(document.get("title") or f"The server answered {response.status_code} {response.reason_phrase}".strip())
        detail = document.get("detail")
        # A URN, such as urn:palio:problem:name-taken, or an address.
        kind = re.split("[:/]", str(document.get("type") or "").rstrip("/"))[-1]
        return cls(
            status=int(document.get("status") or response.status_code),
            title=title,
            detail=None if detail is None else str(detail),
            faults=_faults(document.get("errors")),
            code=str(document.get("code") or kind),
        )


def _document(response: httpx.Response) -> Mapping[str, Any]:
    """The problem document, or one made from a plain answer, such as a proxy's."""
    try:
        document = response.json()
    except ValueError:
        text = response.text.strip()
        # A page of HTML helps nobody in a terminal.
        return {"detail": text[:500]} if text and not text.startswith("<") else {}
    return document if isinstance(document, dict) else {"detail": str(document)[:500]}


def _faults(errors: Any) -> list[Fault]:
    if not isinstance(errors, list):
        return []
    return [_fault(error) for error in errors]


def _fault(error: Any) -> Fault:
    if not isinstance(error, dict):
        return Fault(str(error))
    line = error.get("line")
    message = str(error.get("message") or error.get("detail") or error)
    return Fault(message, error.get("file"), line if isinstance(line, int) else None)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?:" else f"{text}."


def unreachable(server: str, error: httpx.HTTPError) -> ServerUnreachableError:
    """The words for a transport that failed."""
    if isinstance(error, httpx.ConnectError):
        return ServerUnreachableError(
            f"No server answers at {server}. Check the address (--server, or PALIO_SERVER), that it runs, and your network."
        )
    if isinstance(error, httpx.TimeoutException):
        return ServerUnreachableError(f"{server} did not answer in time. Try again; if it stays so, tell those who run it.")
    return ServerUnreachableError(f"The connection to {server} broke ({type(error).__name__}: {error}). Try again.")
