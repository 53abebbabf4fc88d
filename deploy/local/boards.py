"""Shows the demonstration's boards while they fill."""

import time
from collections.abc import Iterable, Sequence

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.local.demo import STARTER
from deploy.local.narration import Narration
from deploy.local.trouble import TroubleError
from palio.client import FINAL_STATES, ApiError, Client, ServerUnreachableError
from palio.client.answers import Board, Submission

#: A starter takes seconds. Ten minutes mean that something hangs.
_LIMIT_S = 600
_LOOK_EVERY_S = 0.5


def show_filling(client: Client, challenges: Sequence[str], narration: Narration) -> None:
    """Follow the starters' submissions until each stands on its board. `client` is the participant's.

    Raises `TroubleError` when one fails, or none of this happens within ten minutes.
    """
    deadline = time.monotonic() + _LIMIT_S
    told: dict[str, str] = {}
    with Live(console=narration.console, transient=True) as live:
        while True:
            starters = {challenge: _starter(client, challenge) for challenge in challenges}
            boards = [client.board(challenge) for challenge in challenges]
            live.update(Group(*(_state(starter) for starter in starters.values()), *(_table(board) for board in boards)))
            for challenge, starter in starters.items():
                state = _words(starter)
                if told.get(challenge) != state and not narration.console.is_terminal:
                    narration.say(state)
                told[challenge] = state
            if all(any(row["submission"] == STARTER for row in board["rows"]) for board in boards):
                break
            _complain_if_failed(starters.values())
            if time.monotonic() > deadline:
                raise TroubleError(
                    f"The boards did not fill within {_LIMIT_S // 60} minutes; see the logs of trainer and scorer."
                )
            time.sleep(_LOOK_EVERY_S)
    for board in boards:
        narration.console.print(_table(board))


def participant(origin: str, name: str, password: str) -> Client:
    """A client that is logged in. Raises `TroubleError`."""
    try:
        with Client(origin) as nobody:
            token = nobody.login(name, password)["token"]
    except (ApiError, ServerUnreachableError) as error:
        raise TroubleError(f"{name} cannot log in: {error}") from error
    return Client(origin, token)


def _starter(client: Client, challenge: str) -> Submission:
    found = next(item for item in client.submissions(challenge) if item["name"] == STARTER)
    return client.submission(found["id"])


def _complain_if_failed(starters: Iterable[Submission]) -> None:
    for starter in starters:
        if starter["state"] in FINAL_STATES and starter["state"] != "scored":
            message = f"The starter of {starter['challenge']} ended as {starter['state']}: {starter.get('outcome')}, {starter.get('reason')}"
            raise TroubleError(message)


def _words(starter: Submission) -> str:
    folds = f", {starter.get('folds_done', 0)} of {starter['n_folds']} folds" if starter.get("n_folds") else ""
    return f"{starter['challenge']}/{starter['name']}: {starter['state']}{folds}"


def _state(starter: Submission) -> Text:
    return Text(_words(starter))


def _table(board: Board) -> Table:
    table = Table(title=f"{board['challenge']}, public board", title_justify="left", box=None, pad_edge=False)
    for heading in ("rank", "team", "submission", *(metric["name"] for metric in board["metrics"])):
        table.add_column(heading)
    for row in board["rows"]:
        scores = (row["scores"].get(metric["name"]) for metric in board["metrics"])
        cells = (
            str(row["rank"]),
            row["team"],
            row["submission"],
            *("-" if score is None else f"{score:.3f}" for score in scores),
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table
