"""What a person sees of a start: a line a step with its seconds, and a spinner where there is a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Narration:
    """Lines on standard output, each with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        """The clock starts now."""
        self.console = console
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        """Print a line."""
        seconds = time.monotonic() - self._began
        self.console.print(f"[dim]{seconds:6.1f} s[/]  {escape(line)}", soft_wrap=True, highlight=False)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Say what is begun; while it lasts, show that it does; say how long it took if that was more than a moment."""
        began = time.monotonic()
        self.say(f"{what} …")
        with self.console.status(escape(what)):
            yield
        took = time.monotonic() - began
        if took >= 1:
            self.say(f"{what}: done in {took:.1f} s")
