"""`palio why`: a rank in words, and the facts that it follows from."""

from __future__ import annotations

import click

from palio.cli.session import connect, json_option, server_option
from palio.client.answers import Board, BoardRow, History, Metric
from palio.contract_errors import KitError
from palio.score_table import number
from palio.terminal import plain, print_json, results

#: Digits of a digest that are enough to recognise it.
DIGEST_LENGTH = 12


@click.command()
@click.argument("challenge")
@click.argument("team")
@click.option("--private", "kind", flag_value="private", default="public", help="On the private board.")
@click.option("--at", metavar="MOMENT", help="As it stood then: a ledger position, or a time with its zone.")
@server_option
@json_option
def why(challenge: str, team: str, kind: str, at: str | None, server: str | None, *, as_json: bool) -> None:
    """Say why TEAM has its rank in CHALLENGE: by which submission, what is next to it, and how that came about.

    \b
    Examples:
      palio why iris ada
      palio why iris ada --at 2026-05-01T12:00:00Z
    """
    with connect(server) as client:
        board = client.board(challenge, kind, {"at": at} if at else {})
        row = _best_of(board, team)
        history = client.history(row["submission_id"])
    if as_json:
        print_json({"board": board["board"], "position": board["position"], "row": row, "history": history})
        return
    console = results()
    for line in (*_rank_in_words(board, row), "", *_story(history)):
        console.print(plain(line), soft_wrap=True)


def _best_of(board: Board, team: str) -> BoardRow:
    for row in board["rows"]:
        if row["team"] == team:
            return row
    teams = sorted({row["team"] for row in board["rows"]})
    there = f"there are: {', '.join(teams)}" if teams else "nobody is"
    raise KitError(f"{team} is not on the {board['board']} board of {board['challenge']}; {there}.")


def _rank_in_words(board: Board, row: BoardRow) -> list[str]:
    """The rank, the score that decides it, and the distance to whoever is next to it."""
    official = board["metrics"][0]
    rows = board["rows"]
    place = row["rank"] - 1
    better = "less" if official["is_lower_the_better"] else "more"
    board_name = f"the {board['board']} board of {board['challenge']}"
    lines = [
        f"{row['team']} is number {row['rank']} of {len(rows)} on {board_name}, by its submission {row['submission']}.",
        f"What counts is {official['name']}, where {better} is better: {_shown(board, row)} {_what(board)}.",
    ]
    if place > 0:
        lines.append(f"Before it: {_neighbour(board, rows[place - 1], row)}")
    if place + 1 < len(rows):
        lines.append(f"After it: {_neighbour(board, rows[place + 1], row)}")
    return lines


def _neighbour(board: Board, other: BoardRow, row: BoardRow) -> str:
    said = f"{other['team']} with {other['submission']}, {_shown(board, other)}"
    if _score(board, other) == _score(board, row):
        return f"{said}; the scores are equal, so the one that was handed in earlier is before the other."
    return f"{said}."


def _story(history: History) -> list[str]:
    """The facts, a line each, with the digests of what they are about."""
    lines = ["What the ledger says, by position:"]
    for entry in history["entries"]:
        because = f", because of {entry['caused_by']}" if entry["caused_by"] is not None else ""
        lines.append(f"{entry['position']:>8}  {entry['recorded_at'][:19].replace('T', ' ')}  {entry['words']}{because}")
        if entry["digests"]:
            digests = (f"{name} {digest[:DIGEST_LENGTH]}" for name, digest in entry["digests"].items())
            lines.append(f"{'':>31}{', '.join(digests)}")
    return lines


def _what(board: Board) -> str:
    return "on validation rows" if board["board"] == "public" else "on the test set"


def _score(board: Board, row: BoardRow) -> float | None:
    scores = row["scores"] if board["board"] == "public" else row["test_scores"]
    return scores.get(_official(board)["name"])


def _shown(board: Board, row: BoardRow) -> str:
    score = _score(board, row)
    return "no score" if score is None else number(score, _official(board)["precision"])


def _official(board: Board) -> Metric:
    return board["metrics"][0]
