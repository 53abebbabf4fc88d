"""How far something is that takes its time, on standard error: a bar, and where that is no terminal, lines or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from palio.terminal import messages, printable, say


@contextmanager
def progress_bar(doing: str, unit: str) -> Iterator[Callable[..., None]]:
    """Yields what moves it: called with `completed` and `total`, in `unit`s, and perhaps another `description` than `doing`."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    console = messages()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield partial(progress.update, progress.add_task(doing, total=None))


@contextmanager
def progress_told(doing: str, unit: str) -> Iterator[Callable[[str, int, int | None], None]]:
    """As `progress_bar`, but where that is no terminal, a line whenever something has changed.

    Yields what tells it: called with what is being done, and how much of it is done, of how much (None: nobody knows yet).
    """
    console = messages()
    told = ""
    with progress_bar(doing, unit) as moved:

        def tell(doing: str, done: int, total: int | None) -> None:
            nonlocal told
            moved(description=printable(doing), completed=done, total=total)
            words = f"{doing}: {done} of {total} {unit}" if total else doing
            if not console.is_terminal and words != told:
                told = words
                say(words)

        yield tell
