"""How an operator hears of what goes on: errors that say what to do, and progress."""

import time

import click

#: Quicker work says nothing until it is done; then lines come ever more rarely, so that a schedule's mail stays short.
FIRST_LINE_S = 2.0
LONGEST_PAUSE_S = 60.0


class BackupError(Exception):
    """It can't be done; the text says what to do. Nothing half-made is left."""


class Progress:
    """Lines on standard error about something that takes long."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._pause_s = FIRST_LINE_S
        self._next_at = time.monotonic() + self._pause_s

    def done(self, count: int, size: int | None = None) -> None:
        """Say how many are done, and how many bytes that is, if it is time for a line."""
        if time.monotonic() >= self._next_at:
            click.echo(f"{self._what}: {count:,}" + ("" if size is None else f", {size / 2**20:,.0f} MiB"), err=True)
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            self._next_at = time.monotonic() + self._pause_s
