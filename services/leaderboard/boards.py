"""Boards: scored submissions in order. Pure.

The public board ranks by validation scores, the private one by test scores. Ties: the earlier submission first. A score that
is missing stands last, whichever direction is better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from services.leaderboard.submissions import Submission
from shared.events import Metric
from shared.final_scores import ScoreKind, final_scores


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


def rank(submissions: Sequence[Submission], metrics: Sequence[Metric], board: Board, score_kind: ScoreKind) -> list[Row]:
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
