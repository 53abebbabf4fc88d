"""How far a long look at the ledger has come, for whoever waits for it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

#: Told of the position reached, and the one to reach.
Progress = Callable[[int, int], None]


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """A bar on standard error, where somebody looks at it."""
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def progress(position: int, goal: int) -> None:
            bar.length = max(goal, 1)
            bar.update(position - bar.pos)

        yield progress
