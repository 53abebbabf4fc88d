"""Server-sent events: the little of the format that a client needs (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ServerEvent:
    """One event of a stream."""

    data: str
    event: str = "message"


def lines_of(pieces: Iterable[bytes]) -> Iterator[str]:
    """The lines in a stream of bytes, without their ends, each as soon as it is whole.

    Only line feeds end one, with or without a carriage return: text may hold the other characters that Unicode counts as
    line ends, at which httpx would cut a JSON string in two.
    """
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")


def parse_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """The events in these lines, which have no line ends.

    An event ends at an empty line; its `data` lines are joined by newlines. Comments and other fields are passed over, and
    so is an event that the stream broke off before its empty line.
    """
    name = ""
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield ServerEvent("\n".join(data), name or "message")
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        # One space after the colon belongs to the format, a second one to the value.
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
