"""How a module that runs in a kit's environment tells the process that started it what happens: lines of JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Callable

#: Takes one line for the outer side: the kind of event and its members.
Say = Callable[..., None]
#: Begins a line on standard error that says what the lines after it belong to: a character that nobody prints.
MARK = b"\x1epalio "


def own_channel() -> Say:
    """Take standard output for ourselves, and send what anyone else prints to standard error.

    What was printed before something is said is out before it: whoever hears it may end this process at once.
    """
    sys.stdout.flush()
    channel = os.dup(1)
    os.dup2(2, 1)

    def say(event: str, **members: Any) -> None:
        flush_printed()
        line = json.dumps({"event": event, **members}) + "\n"
        os.write(channel, line.encode())

    return say


def flush_printed() -> None:
    """Let out what Python keeps of prints. A submission may have put anything in their place."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def event_of(line: bytes) -> dict[str, Any] | None:
    """What `own_channel` said in a line; None if somebody else wrote it."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def own_commands() -> Iterator[dict[str, Any]]:
    """What comes as lines of JSON on standard input, which is ours from now on: whoever else reads it finds its end."""
    commands = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return map(json.loads, commands)


def words_of_os_error(error: OSError) -> str:
    """A folder that cannot be written, or a full disk, in one sentence: what, and why."""
    return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)
