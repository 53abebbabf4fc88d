"""`palio grades`: each person's grade, and the code of everybody, for whoever organises a challenge."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import click
from rich.table import Table

from palio.cli.session import connect, json_option, server_option
from palio.client.answers import Grades
from palio.contract_errors import KitError
from palio.score_table import number, percent
from palio.terminal import plain, print_json, results, say

FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@click.argument("challenge")
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Write the grades there.")
@click.option("--code", "code_file", type=FILE, metavar="FILE.zip", help="Write all code there: a folder a submission.")
@server_option
@json_option
def grades(challenge: str, csv_file: Path | None, code_file: Path | None, server: str | None, *, as_json: bool) -> None:
    """Show each person's grade in CHALLENGE, or write grades and code to files.

    For the challenge's organiser and administrators. Private scores are there once the challenge is closed.

    \b
    Examples:
      palio grades iris
      palio grades iris --csv grades.csv --code code.zip
    """
    with connect(server) as client:
        if csv_file is not None:
            content = client.grades_csv(challenge).encode()
            _write(csv_file, lambda file: _ignore(file.write(content)))
            say(f"The grades are in {csv_file}.", "green")
        if code_file is not None:
            _write(code_file, lambda file: client.code_of_all(challenge, file))
            say(f"The code is in {code_file}.", "green")
        if csv_file is None and code_file is None:
            found = client.grades(challenge)
            if as_json:
                print_json(found)
            else:
                results().print(_table(found))


def _write(target: Path, write: Callable[[BinaryIO], None]) -> None:
    """Whole or not at all: what was there stays if something fails half way."""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    except OSError as error:
        raise KitError(f"{target} cannot be written: {error}. Name another place.") from error
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(cast("BinaryIO", file))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _ignore(_: object) -> None:
    return None


def _table(found: Grades) -> Table:
    metric = found["metric"]
    title = plain(f"{found['challenge']}, grades by {metric['name']}")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("name", "team"):
        table.add_column(heading)
    for heading in ("rank", "public", "private rank", "private", "contributivity", "historical", "submissions"):
        table.add_column(heading, justify="right")
    for grade in found["grades"]:
        cells = (
            grade["name"],
            grade["team"],
            str(grade["rank"] or "-"),
            number(grade["public_score"], metric["precision"]),
            str(grade["private_rank"] or "-"),
            number(grade["private_score"], metric["precision"]),
            percent(grade["contributivity"]),
            percent(grade.get("historical_contributivity")),
            str(grade["n_submissions"]),
        )
        table.add_row(*(plain(cell) for cell in cells))
    return table
