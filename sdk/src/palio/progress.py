"""A bar on standard error for what takes its time; nothing where that is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from palio.terminal import messages


@contextmanager
def progress_bar(doing: str, unit: str) -> Iterator[Callable[..., None]]:
    """Yields what moves it: called with `completed` and `total`, in `unit`s, and perhaps another `description` than `doing`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn())
    console = messages()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield partial(progress.update, progress.add_task(doing, total=None))
