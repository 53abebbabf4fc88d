"""Waiting for work that goes on without the one who waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from palio.terminal import say

#: What a program says by convention that Ctrl-C ended.
INTERRUPTED = 130


@contextmanager
def waiting(look_again: str) -> Iterator[None]:
    """Ctrl-C ends the waiting alone, and says so, with the command that looks again; exit code 130.

    Around what shows progress, so that a bar is gone before anything is said.
    """
    try:
        yield
    except KeyboardInterrupt:
        say(f"Not waited for any longer: it goes on without you. See how it stands: {look_again}", "yellow")
        raise click.exceptions.Exit(INTERRUPTED) from None
