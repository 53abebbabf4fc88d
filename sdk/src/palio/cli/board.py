"""`palio board`: a leaderboard as a table, as JSON or as CSV."""

from __future__ import annotations

import click
from rich.table import Table

from palio.cli.session import connect, here, json_option, named_challenge, server_option
from palio.client.answers import Board
from palio.score_table import number, seconds
from palio.terminal import plain, print_json, results


@click.command()
@click.argument("challenge", required=False)
@click.option("--private", "board", flag_value="private", help="The private board, with test scores.")
@click.option("--at", metavar="MOMENT", help="As it stood then: a ledger position, or a time with its zone.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@server_option
@json_option
def board(challenge: str | None, board: str | None, at: str | None, server: str | None, *, as_csv: bool, as_json: bool) -> None:
    """Show a challenge's leaderboard.

    \b
    Examples:
      palio board iris
      palio board iris --csv > iris.csv
      palio board iris --at 2026-05-01T12:00:00Z
    """
    kind = board or "public"
    with connect(server, here()) as client:
        challenge = named_challenge(challenge, here())
        if as_csv:
            click.echo(client.board_csv(challenge, kind, at), nl=False)
            return
        found = client.board(challenge, kind, at)
    if as_json:
        print_json(found)
    else:
        results().print(_table(found))


def _table(board: Board) -> Table:
    table = Table(title=plain(f"{board['challenge']}, {board['board']} board"), title_justify="left", box=None, pad_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("team")
    table.add_column("submission")
    private = board["board"] == "private"
    for metric in board["metrics"]:
        table.add_column(plain(metric["name"]), justify="right", overflow="fold")
        if private:
            table.add_column(plain(f"{metric['name']} (test)"), justify="right", overflow="fold")
    for heading in ("train", "valid", "submitted (UTC)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in board["rows"]:
        cells = [str(row.get("rank") or "-"), row["team"], row["submission"]]
        for metric in board["metrics"]:
            cells.append(number(row["scores"].get(metric["name"]), metric["precision"]))
            if private:
                cells.append(number(row.get("test_scores", {}).get(metric["name"]), metric["precision"]))
        cells += [seconds(row.get("train_time_s")), seconds(row.get("valid_time_s")), row["submitted_at"][:19].replace("T", " ")]
        table.add_row(*(plain(cell) for cell in cells))
    return table
