"""Boards: scored submissions in order. Pure.

Public boards rank by validation scores, private ones by test scores. In a competition each team has one place: its best by the public
score, also on the private board, since that is what it chose by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from uuid import UUID

from services.leaderboard.submissions import Submission
from shared.events import Metric
from shared.final_scores import RankedSplit, ScoreKind
from shared.ranking import best_of_teams, in_order


class Board(StrEnum):
    """The boards of scored submissions."""

    PUBLIC = "public"
    PRIVATE = "private"
    COMPETITION = "competition"
    PRIVATE_COMPETITION = "private-competition"

    @property
    def is_private(self) -> bool:
        """Whether it shows scores on the test set, which have their time."""
        return self in {Board.PRIVATE, Board.PRIVATE_COMPETITION}

    @property
    def is_competition(self) -> bool:
        """Whether each team has one place."""
        return self in {Board.COMPETITION, Board.PRIVATE_COMPETITION}


@dataclass(frozen=True)
class Row:
    """A submission's place.

    `scores` by metric: of the split that the board ranks by; None where there is none. `within_noise`: whether it and the next row do
    not differ beyond what folds differ by; None for the last row, and where that is not known. `public_rank`: its place in the public
    competition, on the private board of it.
    """

    rank: int
    submission: Submission
    scores: dict[str, float | None]
    within_noise: bool | None = None
    public_rank: int | None = None


def rank(submissions: Sequence[Submission], metrics: Sequence[Metric], board: Board, score_kind: ScoreKind) -> list[Row]:
    """The rows of a board, best first; `metrics[0]` is the official one."""
    public_rank: dict[UUID, int] = {}
    if board.is_competition:
        submissions = best_of_teams(_ordered(submissions, metrics[0], "valid", score_kind))
        public_rank = {each.submission_id: number for number, each in enumerate(submissions, start=1)}
    split: RankedSplit = "test" if board.is_private else "valid"
    ordered = _ordered(submissions, metrics[0], split, score_kind)
    marks = [*(_within_noise(*neighbours, metrics[0], split) for neighbours in pairwise(ordered)), None]
    return [
        Row(
            rank=number,
            submission=each,
            scores=dict(each.figures.final(split, score_kind)),
            within_noise=mark,
            public_rank=public_rank.get(each.submission_id) if board is Board.PRIVATE_COMPETITION else None,
        )
        for number, (each, mark) in enumerate(zip(ordered, marks, strict=False), start=1)
    ]


def _ordered(submissions: Sequence[Submission], official: Metric, split: RankedSplit, score_kind: ScoreKind) -> list[Submission]:
    scored = [each for each in submissions if each.score is not None]
    return in_order(scored, lambda each: each.figures.final(split, score_kind).get(official.name), official)


def _within_noise(above: Submission, below: Submission, official: Metric, split: RankedSplit) -> bool | None:
    if above.score is None or below.score is None:
        return None
    return above.figures.within_noise_of(below.figures, official.name, split)
