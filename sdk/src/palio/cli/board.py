"""`palio board`: a leaderboard as a table, as JSON or as CSV."""

from __future__ import annotations

import click
from rich.table import Table

from palio.cli.ensemble import show_ensemble
from palio.cli.session import connect, here, json_option, named_challenge, server_option
from palio.client.answers import Board, BoardRow, Metric, UnscoredBoard
from palio.score_table import number, percent, seconds
from palio.terminal import plain, print_json, results, say

#: Boards of submissions without scores, and what is said of an empty one.
UNSCORED = {"new": "No submission waits or runs.", "failed": "No submission has failed."}


@click.command()
@click.argument("challenge", required=False)
@click.option("--private", is_flag=True, help="The private board, with test scores.")
@click.option("--competition", is_flag=True, help="Each team's best submission by the public score.")
@click.option("--new", "board", flag_value="new", help="What waits or runs.")
@click.option("--failed", "board", flag_value="failed", help="What failed.")
@click.option("--ensemble", "board", flag_value="ensemble", help="Who predicts best together, and what each contributes.")
@click.option("--team", help="Only this team's submissions.")
@click.option(
    "--sort",
    metavar="COLUMN",
    help="Sort by a metric, contributivity, historical_contributivity, train_time_s, valid_time_s or submitted_at; -COLUMN: largest first.",
)
@click.option("--limit", type=click.IntRange(1), help="Only so many rows.")
@click.option("--at", metavar="MOMENT", help="As it stood then: a ledger position, or a time with its zone.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@server_option
@json_option
def board(  # noqa: PLR0913 - an argument an option
    *,
    challenge: str | None,
    private: bool,
    competition: bool,
    board: str | None,
    team: str | None,
    sort: str | None,
    limit: int | None,
    at: str | None,
    as_csv: bool,
    server: str | None,
    as_json: bool,
) -> None:
    """Show a challenge's leaderboard.

    A score marked ≈ differs from the next one by no more than folds do.

    \b
    Examples:
      palio board iris
      palio board iris --competition
      palio board iris --ensemble
      palio board iris --csv > iris.csv
      palio board iris --at 2026-05-01T12:00:00Z
      palio board iris --sort -train_time_s --limit 10
    """
    part = {"at": at, "team": team, "sort": sort, "limit": limit}
    asked = {name: str(value) for name, value in part.items() if value is not None}
    if board is not None and (private or competition or asked.keys() - {"at"} or (as_csv and board in UNSCORED)):
        formats = "--at, --json" if board in UNSCORED else "--at, --json, --csv"
        raise click.UsageError(f"--{board} goes with {formats} and --server alone.")
    kind = board or {(False, False): "public", (True, False): "private", (False, True): "competition"}.get(
        (private, competition), "private-competition"
    )
    with connect(server, here()) as client:
        challenge = named_challenge(challenge, here())
        if as_csv:
            click.echo(client.board_csv(challenge, kind, asked), nl=False)
        elif kind in UNSCORED:
            _show_unscored(client.unscored_board(challenge, kind, asked), kind, as_json=as_json)
        elif kind == "ensemble":
            ensemble = client.ensemble(challenge, asked)
            print_json(ensemble) if as_json else show_ensemble(ensemble)
        else:
            _show(client.board(challenge, kind, asked), as_json=as_json)


def _show(board: Board, *, as_json: bool) -> None:
    if as_json:
        print_json(board)
        return
    results().print(_table(board))
    official = board["metrics"][0]
    together = board.get("combined", {}).get(official["name"])
    if together is not None:
        combined = number(together, official["precision"])
        what = "Contributivity is how much of that each is; historical, once it has passed on what it credits to earlier ones."
        say(f"The best submissions combined: {combined}. {what}", "dim")
    if any(row.get("within_noise") for row in board["rows"]):
        say("≈: it and the next one differ by no more than folds do.", "dim")


def _show_unscored(board: UnscoredBoard, kind: str, *, as_json: bool) -> None:
    if as_json:
        print_json(board)
    elif board["rows"]:
        results().print(_unscored_table(board, kind))
    else:
        say(UNSCORED[kind])


def _table(board: Board) -> Table:
    table = Table(title=plain(f"{board['challenge']}, {board['board']} board"), title_justify="left", box=None, pad_edge=False)
    table.add_column("rank", justify="right")
    moves = any(row.get("move") is not None for row in board["rows"])
    if moves:
        table.add_column("move", justify="right")
    table.add_column("team")
    table.add_column("submission")
    private = board["board"].startswith("private")
    for metric in board["metrics"]:
        table.add_column(plain(metric["name"]), justify="right", overflow="fold")
        if private:
            table.add_column(plain(f"{metric['name']} (test)"), justify="right", overflow="fold")
    for heading in ("contributivity", "historical", "train", "valid", "submitted (UTC)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in board["rows"]:
        cells = [str(row.get("rank") or "-"), *([f"{row.get('move') or 0:+d}"] if moves else []), row["team"], row["submission"]]
        for place, metric in enumerate(board["metrics"]):
            # The mark belongs to the score that the board ranks by.
            official = place == 0 and row.get("within_noise")
            cells.append(_score(row, metric, "scores", marked=bool(official and not private)))
            if private:
                cells.append(_score(row, metric, "test_scores", marked=bool(official)))
        cells += [
            percent(row.get("contributivity")),
            percent(row.get("historical_contributivity")),
            seconds(row.get("train_time_s")),
            seconds(row.get("valid_time_s")),
            row["submitted_at"][:19].replace("T", " "),
        ]
        table.add_row(*(plain(cell) for cell in cells))
    return table


def _score(row: BoardRow, metric: Metric, part: str, *, marked: bool) -> str:
    scores = row.get(part, {})
    shown = number(scores.get(metric["name"]) if isinstance(scores, dict) else None, metric["precision"])
    return f"{shown} ≈" if marked else shown


def _unscored_table(board: UnscoredBoard, kind: str) -> Table:
    table = Table(title=plain(f"{board['challenge']}, {kind} submissions"), title_justify="left", box=None, pad_edge=False)
    for heading in ("team", "submission", "state", "folds", "place", "submitted (UTC)", "id"):
        table.add_column(heading, no_wrap=heading == "id")
    for row in board["rows"]:
        place = row["queue"]
        cells = (
            row["team"],
            row["submission"],
            row["outcome"] or row["state"],
            f"{row['folds_done']} of {row['n_folds']}" if row["n_folds"] else "-",
            str(place["position"]) if place else "-",
            row["submitted_at"][:19].replace("T", " "),
            row["submission_id"],
        )
        table.add_row(*(plain(cell) for cell in cells))
    return table
