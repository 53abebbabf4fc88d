"""`palio challenge faults`: where a challenge's own code failed while it scored."""

from __future__ import annotations

import click
from rich.table import Table

from palio.cli.session import connect, json_option, server_option
from palio.terminal import plain, print_json, results, say


@click.command()
@click.argument("challenge_id", metavar="ID")
@click.argument("position", type=click.IntRange(1), required=False)
@server_option
@json_option
def faults(challenge_id: str, position: int | None, server: str | None, *, as_json: bool) -> None:
    """List where the code of your challenge failed while it scored; with POSITION, show what it said there.

    \b
    Examples:
      palio challenge faults iris
      palio challenge faults iris 1234
    """
    with connect(server) as client:
        if position is not None:
            found = client.fault(challenge_id, position)
            if as_json:
                print_json(found)
                return
            say(f"{found['recorded_at'][:19].replace('T', ' ')} UTC, {found['kind']}: {found['reason']}")
            results().print(plain((found["detail"] or "It said nothing.").rstrip()), soft_wrap=True)
            return
        listed = client.faults(challenge_id)
    if as_json:
        print_json({"items": listed})
    elif not listed:
        say(f"The code of {challenge_id} has not failed.", "green")
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("position", "when (UTC)", "kind", "submission", "reason"):
            table.add_column(heading, overflow="fold")
        for each in listed:
            when = each["recorded_at"][:19].replace("T", " ")
            cells = (str(each["position"]), when, each["kind"], each["submission_id"] or "-", each["reason"])
            table.add_row(*(plain(cell) for cell in cells))
        results().print(table)
        say(f"What it said: palio challenge faults {challenge_id} {listed[0]['position']}", "dim")
