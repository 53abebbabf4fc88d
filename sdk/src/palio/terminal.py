"""How anything gets to the terminal: results to standard output, all else to standard error.

What comes from elsewhere (names, tracebacks, logs) passes through `plain`: it may hold rich's markup, or control characters
that would move the cursor or rewrite what stands above.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from typing import Any

import click
from rich.console import Console
from rich.text import Text

#: Columns of a table that goes to a file or a pipe: rich would take 80 and cut scores.
PIPED_WIDTH = 200


def results() -> Console:
    """The console of what was asked for. Made when used, so that a redirected stream is seen."""
    return _console(stderr=False)


def messages() -> Console:
    """The console of everything else: progress, hints, errors."""
    return _console(stderr=True)


def plain(text: object, style: str = "") -> Text:
    """Foreign text as it is: no markup, and no control characters but newline and tab."""
    return Text(printable(str(text)), style=style)


def printable(text: str) -> str:
    """Text without control characters (but newline and tab), nor those that turn the direction of writing."""
    return "".join(
        character
        for character in text.replace("\r\n", "\n")
        if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
    )


def say(text: object, style: str = "") -> None:
    """A message, unwrapped."""
    messages().print(plain(text, style), soft_wrap=True)


def print_json(value: Any) -> None:
    """A result as JSON; what is no finite number becomes null, as JSON has no other."""
    click.echo(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    stream = sys.stderr if stderr else sys.stdout
    if not stream.isatty() and console.width <= 80:  # noqa: PLR2004 - what rich takes where it can't measure
        console.width = PIPED_WIDTH
    return console
