"""The CSV of a board: nothing in it is a formula to a spreadsheet, whoever chose the words."""

import csv
import io
from datetime import UTC, datetime

from services.leaderboard.api.board_rows import BoardPage, BoardRow, as_csv
from services.leaderboard.boards import Board
from shared.events import Metric


def row(team: str) -> BoardRow:
    return BoardRow(
        rank=1,
        team=team,
        submission="@SUM(1)",
        submission_id="x",
        scores={"=cmd|' /C calc'!A0": 0.5},
        standard_errors={"=cmd|' /C calc'!A0": 0.25},
        within_noise=None,
        contributivity=None,
        historical_contributivity=None,
        train_time_s=-1.0,
        valid_time_s=None,
        peak_memory_bytes=None,
        run=1,
        submitted_at=datetime(2026, 11, 22, tzinfo=UTC),
    )


def test_no_cell_of_text_begins_like_a_formula() -> None:
    metric = Metric(name="=cmd|' /C calc'!A0", precision=2, is_lower_the_better=False, minimum=None, maximum=None)
    teams = ["=1+1", "+1", "-1", "\uff1d1+1", "\uff0b1", "\ufe63" + "1", "plain"]
    page = BoardPage(
        challenge="iris",
        board=Board.PUBLIC,
        position=1,
        metrics=[metric],
        combined={},
        n_rows=7,
        rows=[row(team) for team in teams],
    )
    header, *lines = csv.reader(io.StringIO(as_csv(page)))
    assert header[3] == f"'{metric.name}"
    assert [line[1] for line in lines] == [*(f"'{team}" for team in teams[:-1]), "plain"]
    assert {line[2] for line in lines} == {"'@SUM(1)"}
    assert {line[3] for line in lines} == {"0.5"}
