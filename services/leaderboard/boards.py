"""Boards: scored submissions in order. Pure.

The public board ranks by validation scores, the private one by test scores. Ties: the earlier submission first. A score that
is missing stands last, whichever direction is better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import fmean
from typing import Literal

from services.leaderboard.submissions import Submission
from shared.events import Metric, ScoreComputed


class Board(StrEnum):
    """The boards that there are."""

    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True)
class Row:
    """A submission's place. `scores` by metric: of the split that the board ranks by; None where there is none."""

    rank: int
    submission: Submission
    scores: dict[str, float | None]


def final_scores(
    score: ScoreComputed, split: Literal["valid", "test"], score_kind: Literal["bag", "mean"]
) -> dict[str, float | None]:
    """One number a metric: bagged over all folds, or the mean of the folds' scores, as the kit says."""
    if score_kind == "bag":
        return {each.metric: (series[-1] if (series := getattr(each, split)) else None) for each in score.bagged}
    by_metric: dict[str, list[float | None]] = {}
    for fold in score.folds:
        by_metric.setdefault(fold.metric, []).append(getattr(fold, split))
    return {metric: _mean(values) for metric, values in by_metric.items()}


def rank(
    submissions: Sequence[Submission], metrics: Sequence[Metric], board: Board, score_kind: Literal["bag", "mean"]
) -> list[Row]:
    """The rows of a board, best first; `metrics[0]` is the official one."""
    official = metrics[0]
    split: Literal["valid", "test"] = "valid" if board is Board.PUBLIC else "test"
    scored = [(each, final_scores(each.score, split, score_kind)) for each in submissions if each.score is not None]

    def order(entry: tuple[Submission, dict[str, float | None]]) -> tuple[bool, float, datetime, str]:
        submission, scores = entry
        return *_badness(scores.get(official.name), official), submission.submitted_at, str(submission.submission_id)

    ordered = sorted(scored, key=order)
    return [Row(number, submission, scores) for number, (submission, scores) in enumerate(ordered, start=1)]


def _badness(value: float | None, metric: Metric) -> tuple[bool, float]:
    """Sorts a missing score behind every other, also behind the worst that a metric can say."""
    if value is None or math.isnan(value):
        return True, 0.0
    return False, value if metric.is_lower_the_better else -value


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present and len(present) == len(values) else None
