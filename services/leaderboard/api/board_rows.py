"""Boards as they are answered: rows, part of them, and as CSV."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from services.leaderboard.boards import Board, Row
from services.leaderboard.csv_text import csv_of
from services.leaderboard.ensembles import Ensemble
from services.leaderboard.figures import Figures
from services.leaderboard.submissions import Submission
from shared.events import Metric
from shared.final_scores import RankedSplit, ScoreKind
from shared.http import Problem

#: What is said of a metric on the private boards.
_OVER_FOLDS = ("bag", "mean", "std")
#: Columns besides the metrics that a board is sorted by.
_OTHER_COLUMNS = frozenset({"contributivity", "historical_contributivity", "train_time_s", "valid_time_s", "submitted_at"})


class Asked(BaseModel):
    """Which rows of a board, as it stood when, and how they are written."""

    at: str | None = Field(
        None,
        max_length=40,
        description="A ledger position, or a time with its zone: the board as it stood then.",
        examples=["1200"],
    )
    format: Literal["json", "csv"] | None = Field(None, description="Else what `Accept` says.")

    team: str | None = Field(None, max_length=200, description="Only this team's.")
    sort: str | None = Field(
        None,
        max_length=200,
        description="A metric, `contributivity`, `historical_contributivity`, `train_time_s`, `valid_time_s` or `submitted_at`; with `-` before it, largest first. Else by rank.",
    )
    offset: int = Field(0, ge=0, description="How many rows to leave out at the beginning.")
    limit: int | None = Field(None, ge=1, description="How many rows to give. Else all.")


class BoardRow(BaseModel):
    """A submission's place. `scores` and their `standard_errors` over folds: on validation rows. Times in seconds, summed over folds.

    `within_noise`: it and the next one on the whole board do not differ beyond what folds differ by; null where that is not known.
    `contributivity`: how much of the challenge's ensemble it is, in percent; null before the first ensemble. `historical_contributivity`:
    the same once every submission has passed on what it credits to earlier ones. `run`: which of the submission's runs this is; more
    than 1 if it was trained again.
    """

    rank: int
    team: str
    submission: str
    submission_id: str
    run: int
    scores: dict[str, float | None]
    standard_errors: dict[str, float | None]
    within_noise: bool | None
    contributivity: int | None
    historical_contributivity: int | None
    train_time_s: float | None
    valid_time_s: float | None
    peak_memory_bytes: int | None
    submitted_at: AwareDatetime


class OverFolds(BaseModel):
    """One metric: of the bagged predictions, and mean and deviation of the folds' scores."""

    bag: float | None
    mean: float | None
    std: float | None


class PrivateBoardRow(BoardRow):
    """What only administrators see before the challenge closes; ranked by `test_scores`.

    On the private board of the competition, `public_rank` is the team's place in the public one, and `move` how many it gained since.
    """

    test_scores: dict[str, float | None]
    test_standard_errors: dict[str, float | None]
    valid: dict[str, OverFolds]
    test: dict[str, OverFolds]
    test_time_s: float | None
    public_rank: int | None = None
    move: int | None = None


class BoardPage(BaseModel):
    """A board as of a ledger position. `n_rows` counts all of it, `rows` are those asked for.

    `combined`: what the challenge's ensemble scores, by metric, on the rows that this board ranks by; empty before there is one.
    """

    challenge: str
    board: Board
    position: int
    metrics: list[Metric]
    combined: dict[str, float | None]
    n_rows: int
    rows: list[PrivateBoardRow | BoardRow]


#: Rows as they are shown, but for their place, by submission and whether private: kept where boards are made again and again.
KnownRows = dict[tuple[UUID, bool], "PrivateBoardRow | BoardRow"]


def board_row(
    row: Row, board: Board, names: Sequence[str], score_kind: ScoreKind, ensemble: Ensemble | None, known: KnownRows
) -> PrivateBoardRow | BoardRow:
    """A row as the board shows it: of the metrics named, and of the test set only on the private boards."""
    key = row.submission.submission_id, board.is_private
    if key not in known:
        known[key] = _row(row.submission, names, score_kind, is_private=board.is_private)
    place: dict[str, object] = {"rank": row.rank, "within_noise": row.within_noise}
    if ensemble is not None:
        place["contributivity"] = ensemble.percent_of(row.submission.submission_id)
        place["historical_contributivity"] = ensemble.historical_percent_of(row.submission.submission_id)
    if board.is_private:
        place |= {"public_rank": row.public_rank, "move": None if row.public_rank is None else row.public_rank - row.rank}
    return known[key].model_copy(update=place)


def _row(submission: Submission, names: Sequence[str], score_kind: ScoreKind, *, is_private: bool) -> PrivateBoardRow | BoardRow:
    """Without a place."""
    figures = submission.figures
    shown = {
        "rank": 0,
        "team": submission.team,
        "submission": submission.name,
        "submission_id": str(submission.submission_id),
        "run": submission.run_number,
        "scores": figures.final("valid", score_kind),
        "standard_errors": {name: figures.spread(name, "valid").standard_error for name in names},
        "within_noise": None,
        "contributivity": None,
        "historical_contributivity": None,
        "train_time_s": submission.train_time_s,
        "valid_time_s": submission.valid_time_s,
        "peak_memory_bytes": submission.peak_memory_bytes,
        "submitted_at": submission.submitted_at,
    }
    if not is_private:
        return BoardRow.model_validate(shown)
    test = {
        "test_scores": figures.final("test", score_kind),
        "test_standard_errors": {name: figures.spread(name, "test").standard_error for name in names},
        "valid": _over_folds(figures, "valid", names),
        "test": _over_folds(figures, "test", names),
        "test_time_s": submission.test_time_s,
    }
    return PrivateBoardRow.model_validate({**shown, **test})


def _over_folds(figures: Figures, split: RankedSplit, names: Sequence[str]) -> dict[str, OverFolds]:
    bags, spreads = figures.final(split, "bag"), {name: figures.spread(name, split) for name in names}
    return {name: OverFolds(bag=bags.get(name), mean=spread.mean, std=spread.std) for name, spread in spreads.items()}


def part_of(page: BoardPage, part: Asked) -> BoardPage:
    """The rows asked for. Ranks stay those of the whole board. Raises a 422 `Problem` for a column that it does not have."""
    rows = [row for row in page.rows if part.team is None or row.team == part.team]
    if part.sort is not None:
        name = part.sort.removeprefix("-")
        if name not in {metric.name for metric in page.metrics} | _OTHER_COLUMNS:
            columns = ", ".join([*(metric.name for metric in page.metrics), *sorted(_OTHER_COLUMNS)])
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown-column", f"A board is sorted by one of: {columns}.")
        known = [row for row in rows if _cell(row, name) is not None]
        known.sort(key=lambda row: _cell(row, name), reverse=part.sort.startswith("-"))  # type: ignore[arg-type, return-value]
        # What is not there is last, whichever way.
        rows = known + [row for row in rows if _cell(row, name) is None]
    end = None if part.limit is None else part.offset + part.limit
    return page.model_copy(update={"n_rows": len(rows), "rows": rows[part.offset : end]})


def _cell(row: BoardRow, name: str) -> float | str | None:
    if name in _OTHER_COLUMNS:
        return row.submitted_at.isoformat() if name == "submitted_at" else getattr(row, name)
    scores = row.test_scores if isinstance(row, PrivateBoardRow) else row.scores
    return scores.get(name)


def as_csv(page: BoardPage) -> str:
    """The board as CSV, a column a metric; text that a spreadsheet would take for a formula is quoted."""
    names = [metric.name for metric in page.metrics]
    private = page.board.is_private
    moves = page.board is Board.PRIVATE_COMPETITION
    header = ["rank", *(["public_rank", "move"] if moves else []), "team", "submission", *names]
    header += [f"standard error of {name}" for name in names]
    header += [f"{part} {name} {what}" for part in ("valid", "test") for name in names for what in _OVER_FOLDS] if private else []
    header += [
        "contributivity",
        "historical_contributivity",
        "train_time_s",
        "valid_time_s",
        *(["test_time_s"] if private else []),
    ]
    header += ["peak_memory_bytes", "submitted_at", "run"]
    lines = []
    for row in page.rows:
        cells: list[object] = [row.rank]
        if moves and isinstance(row, PrivateBoardRow):
            cells += [row.public_rank, row.move]
        cells += [row.team, row.submission, *(row.scores.get(name) for name in names)]
        cells += [row.standard_errors.get(name) for name in names]
        if isinstance(row, PrivateBoardRow):
            cells += [getattr(part[name], what) for part in (row.valid, row.test) for name in names for what in _OVER_FOLDS]
        cells += [row.contributivity, row.historical_contributivity, row.train_time_s, row.valid_time_s]
        cells += [row.test_time_s] if isinstance(row, PrivateBoardRow) else []
        lines.append([*cells, row.peak_memory_bytes, row.submitted_at.isoformat(), row.run])
    return csv_of(header, lines)
