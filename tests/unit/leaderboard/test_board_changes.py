"""A board that is followed by its changes alone."""

import json
import math
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.leaderboard.api.board_changes import BoardChange, change_between, state_of
from services.leaderboard.api.board_rows import BoardPage, BoardRow
from services.leaderboard.boards import Board
from shared.events import Metric

ACC = Metric(name="acc", precision=2, is_lower_the_better=False, minimum=0, maximum=1)
NLL = Metric(name="nll", precision=2, is_lower_the_better=True, minimum=0, maximum=None)
#: The rows of a board: number of a submission, its score.
BOARDS = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from([None, 0.1, 0.2, 0.3, float("nan")])), unique_by=lambda row: row[0], max_size=10
)


def page(rows: list[tuple[int, float | None]], metric: Metric = ACC) -> BoardPage:
    """In this order."""
    shown = [
        BoardRow(
            rank=rank,
            team=f"team {number}",
            submission="s",
            submission_id=str(number),
            scores={metric.name: score},
            standard_errors={},
            within_noise=None,
            contributivity=None,
            historical_contributivity=None,
            train_time_s=1.0,
            valid_time_s=None,
            peak_memory_bytes=None,
            run=1,
            submitted_at=datetime(2026, 11, 22, tzinfo=UTC),
        )
        for rank, (number, score) in enumerate(rows, start=1)
    ]
    return BoardPage(
        challenge="iris", board=Board.PUBLIC, position=1, metrics=[metric], combined={}, n_rows=len(shown), rows=shown
    )


def ranked(rows: list[tuple[int, float | None]]) -> BoardPage:
    """As a board orders them: the largest first, what is missing or not a number last, equals by their number."""
    return page(sorted(rows, key=lambda row: (0 if row[1] is None or math.isnan(row[1]) else -row[1], row[0])))


def applied(board: list[dict[str, Any]], change: dict[str, Any]) -> list[dict[str, Any]]:
    """What the documentation of a change tells a client to do."""
    gone = {*change["removed"], *(each["row"]["submission_id"] for each in change["rows"])}
    rows = [row for row in board if row["submission_id"] not in gone]
    for each in change["rows"]:
        rows.insert(each["place"] - 1, each["row"])
    return [{**row, "rank": rank} for rank, row in enumerate(rows, start=1)]


def sent(model: BoardPage | BoardChange) -> Any:
    return json.loads(model.model_dump_json())


@given(BOARDS, BOARDS)
def test_the_board_of_before_and_its_change_are_the_board_of_after(
    before: list[tuple[int, float | None]], after: list[tuple[int, float | None]]
) -> None:
    was, now = page(before), page(after)
    change = change_between(was, now)
    if change is not None:
        assert applied(sent(was)["rows"], sent(change)) == sent(now)["rows"]
        assert change.n_rows == now.n_rows


@given(BOARDS, BOARDS)
def test_a_board_in_order_of_its_scores_never_has_to_be_sent_whole(
    before: list[tuple[int, float | None]], after: list[tuple[int, float | None]]
) -> None:
    assert change_between(ranked(before), ranked(after)) is not None


def test_a_row_that_is_only_pushed_down_is_not_sent_again() -> None:
    change = change_between(page([(1, 0.3), (2, 0.2)]), page([(3, 0.9), (1, 0.3), (2, 0.2)]))
    assert change is not None
    assert [(each.place, each.row.submission_id) for each in change.rows] == [(1, "3")]
    assert change.removed == []


def test_other_metrics_or_another_order_of_the_same_rows_are_a_new_board() -> None:
    assert change_between(page([(1, 0.3)]), page([(1, 0.3)], NLL)) is None
    assert change_between(page([(1, 0.3), (2, 0.3)]), page([(2, 0.3), (1, 0.3)])) is None


def test_a_state_names_what_is_shown_and_not_the_position() -> None:
    board = page([(1, 0.3), (2, float("nan"))])
    assert state_of(board) == state_of(board.model_copy(update={"position": 2}))
    assert len({state_of(each) for each in (board, page([(1, 0.3)]), page([]), page([], NLL))}) == 4
