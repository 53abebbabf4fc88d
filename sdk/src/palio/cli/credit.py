"""`palio credit`: says what a submission was taken from, or shows what it gave and received."""

from __future__ import annotations

import re

import click
from rich.table import Table

from palio.cli.session import challenge_option, connect, here, json_option, named_submission, server_option
from palio.client.answers import Credits
from palio.terminal import plain, print_json, results, say

WHOLE_PERCENT = 100
_TO = re.compile(r"\s*(?P<source>\S.*)=\s*(?P<percent>[0-9]{1,3})\s*%?\s*", re.DOTALL | re.ASCII)


def _parsed(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, int]]:
    """Sources with their percentages. A name may hold an equals sign, so the last one counts."""
    found: list[tuple[str, int]] = []
    for value in values:
        match = _TO.fullmatch(value)
        if match is None or not 1 <= int(match["percent"]) <= WHOLE_PERCENT:
            message = f"{value!r} is not a submission, an equals sign and a percentage from 1 to 100, such as my_forest=30."
            raise click.BadParameter(message, ctx, param)
        found.append((match["source"].strip(), int(match["percent"])))
    return found


@click.command()
@click.argument("submission")
@click.option(
    "--to",
    "sources",
    multiple=True,
    callback=_parsed,
    metavar="SOURCE=PERCENT",
    help="How much of it was taken from an earlier submission; may be repeated.",
)
@click.option("--to-none", is_flag=True, help="Take all its credits back.")
@challenge_option
@server_option
@json_option
def credit(
    submission: str,
    sources: list[tuple[str, int]],
    challenge: str | None,
    server: str | None,
    *,
    to_none: bool,
    as_json: bool,
) -> None:
    """Say how much of your SUBMISSION was taken from earlier ones; what you say replaces what you said before.

    Without --to, show what it gave and received. Submissions are named by their id, those of your team by their name too. Credit to
    another team's is given once the challenge's code is open; `palio board --json` has the ids.

    \b
    Examples:
      palio credit my_forest
      palio credit my_forest --to my_tree=30 --to 0b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1e=20
      palio credit my_forest --to-none
    """
    if sources and to_none:
        raise click.UsageError("--to-none goes without --to.")
    with connect(server, here()) as client:
        submission_id = named_submission(client, submission, challenge)
        if sources or to_none:
            client.credit(submission_id, [(named_submission(client, name, challenge), percent) for name, percent in sources])
        found = client.credits(submission_id)
    if as_json:
        print_json(found)
        return
    _show(found, submission)


def _show(found: Credits, submission: str) -> None:
    if not found["given"] and not found["received"]:
        say(f"{submission} gives no credit, and has received none.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("", "percent", "team", "submission", "id"):
        table.add_column(heading, justify="right" if heading == "percent" else "left", no_wrap=heading == "id")
    for words, items in (("gives to", found["given"]), ("received of", found["received"])):
        for item in items:
            cells = (words, f"{item['percent']} %", item["team"], item["submission"], item["submission_id"])
            table.add_row(*(plain(cell) for cell in cells))
    results().print(table)
    own = WHOLE_PERCENT - sum(item["percent"] for item in found["given"])
    say(f"{own} % of {submission} is its own.", "dim")
