"""Following something to its end: by the server's stream, and by asking again where there is none or it does not hold."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Callable, TypeVar, cast

import httpx

from palio.client.answers import LogLines, Submission
from palio.client.errors import ApiError, ServerUnreachableError
from palio.client.events import ServerEvent, lines_of, parse_events

#: States after which nothing changes any more.
FINAL_STATES = frozenset({"scored", "failed", "withdrawn"})

#: A stream that is silent for this long is given up and the state asked for: the connection may be dead.
SILENCE_S = 20.0
#: Between two questions where there is no stream.
POLL_S = 1.0
#: Questions in a row without an answer before giving up; a server that restarts is back by then.
PATIENCE = 20

_FIRST_ERROR = 400

T = TypeVar("T")


def watched(http: httpx.Client, submission: str, ask: Callable[[], Submission], headers: dict[str, str]) -> Iterator[Submission]:
    """The submission at once and after each change, until its state is final.

    Reads the stream while it gives something; whenever it breaks, ends early or stays silent, asks for the state, waits a
    moment and tries the stream again. Raises ServerUnreachableError after 20 questions without an answer, and ApiError if the
    server refuses.
    """
    last: Submission | None = None
    for found in _states(http, submission, ask, headers):
        if found != last:
            yield found
        last = found
        if found.get("state") in FINAL_STATES:
            return


def _states(http: httpx.Client, submission: str, ask: Callable[[], Submission], headers: dict[str, str]) -> Iterator[Submission]:
    """The submission again and again, for ever."""
    patience = _Patience()
    while True:
        # Broken, silent, refused or garbled: whichever it was, the question below tells what to make of it.
        with suppress(httpx.HTTPError, ValueError):
            for found in _streamed(http, submission, headers):
                patience.unanswered = 0
                yield found
        yield from patience.ask(ask)
        time.sleep(POLL_S)


def answers_of(ask: Callable[[], T]) -> Iterator[T]:
    """What it answers, now and a moment apart, for ever: for what has no stream.

    Raises ServerUnreachableError after 20 questions without an answer, and ApiError if the server refuses.
    """
    patience = _Patience()
    while True:
        yield from patience.ask(ask)
        time.sleep(POLL_S)


@dataclass
class _Patience:
    """With a server that may be away for a while."""

    #: Questions in a row.
    unanswered: int = 0

    def ask(self, question: Callable[[], T]) -> Iterator[T]:
        """The answer; nothing if there is none. Raises what the server refuses with, and whatever else after `PATIENCE` in a row."""
        try:
            answer = question()
        except (ServerUnreachableError, ApiError) as error:
            self.unanswered += 1
            if self.unanswered >= PATIENCE or _is_refusal(error):
                raise
            return
        self.unanswered = 0
        yield answer


def _streamed(http: httpx.Client, submission: str, headers: dict[str, str]) -> Iterator[Submission]:
    """What the stream says of the submission's state, until it ends; nothing if there is none."""
    for event in _events(http, submission, headers):
        if event.event == "submission":
            yield cast("Submission", json.loads(event.data))


def printed_lines(http: httpx.Client, submission: str, headers: dict[str, str]) -> Iterator[LogLines]:
    """What a submission prints while it runs, as it comes, until its state is final or the stream breaks.

    Only in passing: what was printed before, or got lost on the way, is in its log. Raises ApiError if the server refuses.
    """
    with suppress(httpx.HTTPError):
        for event in _events(http, submission, headers, refused=True):
            if event.event == "log":
                yield cast("LogLines", json.loads(event.data))


def _events(http: httpx.Client, submission: str, headers: dict[str, str], *, refused: bool = False) -> Iterator[ServerEvent]:
    timeout = httpx.Timeout(SILENCE_S)
    accept = {"Accept": "text/event-stream", **headers}
    with http.stream("GET", f"/v1/submissions/{submission}/stream", headers=accept, timeout=timeout) as response:
        if response.status_code >= _FIRST_ERROR:
            if refused:
                response.read()
                raise ApiError.from_response(response)
            return
        yield from parse_events(lines_of(response.iter_bytes()))


def _is_refusal(error: Exception) -> bool:
    """Whether asking again cannot help: the server understood and said no."""
    return isinstance(error, ApiError) and error.status < 500  # noqa: PLR2004 - from 500 on it is the server's fault
