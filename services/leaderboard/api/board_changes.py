"""What changed on a board, for those who have it already: the rows that are new or different, and where they stand now. Pure.

A row's rank is its place, so a row that others only pushed down is not sent again: whoever has the board numbers it anew.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter

from services.leaderboard.api.board_rows import BoardPage, BoardRow, PrivateBoardRow

_ROW = TypeAdapter[Any](PrivateBoardRow | BoardRow)
_COMBINED = TypeAdapter(dict[str, float | None])


class PlacedRow(BaseModel):
    """A row that is new or different, and its place on the board; 1 is the first."""

    place: int
    row: PrivateBoardRow | BoardRow


class BoardChange(BaseModel):
    """What makes a board of before into the one as of `position`.

    Take out the rows whose `submission_id` is in `removed` or among `rows`. Put in each of `rows`, in this order, at its place. Number
    all rows from 1: that is their `rank`.
    """

    position: int
    n_rows: int
    combined: dict[str, float | None] = Field(description="What the challenge's ensemble scores now.")
    removed: list[str]
    rows: list[PlacedRow] = Field(description="By place, the smallest first.")


def state_of(page: BoardPage) -> str:
    """Names what a board shows, in 32 hexadecimal digits: equal for equal rows in equal order, at whatever position."""
    rows = b"\n".join(_ROW.dump_json(row) for row in page.rows)
    metrics = b"\n".join(metric.model_dump_json().encode() for metric in page.metrics)
    return hashlib.sha256(b"\n\n".join((metrics, _COMBINED.dump_json(page.combined), rows))).hexdigest()[:32]


def change_between(before: BoardPage, after: BoardPage) -> BoardChange | None:
    """What changed; None where the whole board is to be sent: other metrics, or rows that changed places without being different."""
    if before.metrics != after.metrics:
        return None
    was, now = _contents(before), _contents(after)
    kept = {key for key, content in now.items() if was.get(key) == content}
    if [key for key in was if key in kept] != [key for key in now if key in kept]:
        return None
    return BoardChange(
        position=after.position,
        n_rows=after.n_rows,
        combined=after.combined,
        removed=[key for key in was if key not in now],
        rows=[PlacedRow(place=place, row=row) for place, row in enumerate(after.rows, start=1) if row.submission_id not in kept],
    )


def _contents(page: BoardPage) -> Mapping[str, bytes]:
    """Each row as it is sent, but for its rank. Not compared as objects: a score that is not a number is unlike itself."""
    return {row.submission_id: _ROW.dump_json(row, exclude={"rank"}) for row in page.rows}
