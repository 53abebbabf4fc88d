"""The figures of one benchmark: a table for people or JSON for programs on stdout, progress on stderr."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from rich.console import Console
from rich.table import Table

Cell = str | int | float | None
_FILE_WIDTH = 180
#: From so much on, digits after the point are noise.
_WHOLE_FROM, _ONE_DIGIT_FROM, _TWO_DIGITS_FROM = 100, 10, 0.1


class Figures:
    """Rows of figures under headings that name the units. Times in seconds, unless a heading says otherwise."""

    def __init__(self, title: str, headings: Sequence[str]) -> None:
        self._title = title
        self._headings = list(headings)
        self._rows: list[tuple[Cell, ...]] = []
        # Before anything is measured: what others do on the machine meanwhile is in the figures.
        self._load_before = os.getloadavg()[0]

    def add(self, *cells: Cell) -> None:
        """A row: as many cells as headings, None where there is no figure. It is told on stderr, too."""
        if len(cells) != len(self._headings):
            raise ValueError(f"{len(cells)} cells under {len(self._headings)} headings")
        self._rows.append(cells)
        say(
            "; ".join(
                f"{heading}: {shown(cell)}" for heading, cell in zip(self._headings, cells, strict=True) if cell is not None
            )
        )

    def print(self, *, as_json: bool) -> None:
        """Everything, on stdout."""
        machine = {"cores": os.cpu_count(), "load before": self._load_before}
        if as_json:
            rows = [dict(zip(self._headings, row, strict=True)) for row in self._rows]
            print(json.dumps({"title": self._title, "machine": machine, "rows": rows}, indent=2))
            return
        caption = ", ".join(f"{name}: {shown(figure)}" for name, figure in machine.items())
        table = Table(title=self._title, caption=caption)
        for number, heading in enumerate(self._headings):
            table.add_column(heading, justify="right" if number else "left")
        for row in self._rows:
            table.add_row(*map(shown, row))
        # A file has no width: rich would take it for a narrow terminal.
        Console(width=None if sys.stdout.isatty() else _FILE_WIDTH).print(table)


def shown(cell: Cell) -> str:
    """A cell in as many digits as mean something."""
    if cell is None:
        return ""
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else cell
    size = abs(cell)
    if size >= _WHOLE_FROM:
        return f"{cell:,.0f}"
    if size >= _ONE_DIGIT_FROM:
        return f"{cell:.1f}"
    return f"{cell:.2f}" if size >= _TWO_DIGITS_FROM else f"{cell:.3f}"


def say(words: str) -> None:
    """A line of progress, on stderr."""
    print(words, file=sys.stderr, flush=True)


class Arguments(argparse.ArgumentParser):
    """The command line of a benchmark: its module's docstring is the help, and ends with examples. `--json` for all."""

    def __init__(self, module_docstring: str | None) -> None:
        super().__init__(description=module_docstring, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and how to get help."""
        self.exit(2, f"{message}\nTry --help.\n")
