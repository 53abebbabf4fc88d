"""What is worth a look and not a table: points of plots, out of scored submissions. Pure.

A submission without a score, or with one that is not a number, is on no plot.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from services.leaderboard.submissions import Submission
from shared.events import Metric
from shared.final_scores import RankedSplit, ScoreKind, final_scores


@dataclass(frozen=True)
class Scored:
    """A submission, and its score by one metric."""

    submission: Submission
    score: float


@dataclass(frozen=True)
class Placed:
    """A submission, where it is, and whether it is on the front: no other that is no further to the left is as good or better."""

    x: float
    submission: Submission
    score: float
    on_front: bool


def scored_by(submissions: Iterable[Submission], metric: Metric, split: RankedSplit, score_kind: ScoreKind) -> list[Scored]:
    """Those that have a score, in the order in which they were handed in."""
    ordered = sorted(submissions, key=lambda each: (each.submitted_at, str(each.submission_id)))
    scores = ((each, final_scores(each.score, split, score_kind).get(metric.name)) for each in ordered if each.score)
    return [Scored(each, value) for each, value in scores if value is not None and not math.isnan(value)]


def over_time(scored: Sequence[Scored], metric: Metric) -> list[Placed]:
    """Scores against the time of handing in; on the front is what was the best so far."""
    return _with_front([(each.submission.submitted_at.timestamp(), each) for each in scored], metric)


def over_training_time(scored: Sequence[Scored], metric: Metric) -> list[Placed]:
    """Scores against seconds of training, summed over folds; on the front is what nothing faster equals."""
    timed = [(each.submission.train_time_s, each) for each in scored]
    return _with_front([(seconds, each) for seconds, each in timed if seconds is not None], metric)


def progress(scored: Sequence[Scored], metric: Metric) -> list[Scored]:
    """Of each team the submissions that were its best so far, in the order in which they were handed in."""
    best: dict[object, float] = {}

    def improves(each: Scored) -> bool:
        badness = _badness(each.score, metric)
        if badness >= best.get(each.submission.team_id, math.inf):
            return False
        best[each.submission.team_id] = badness
        return True

    return [each for each in scored if improves(each)]


def bagging_curve(submission: Submission, metric: Metric, split: RankedSplit) -> Iterator[tuple[int, float]]:
    """How many folds were bagged, from one on, and the score of that."""
    for bagged in submission.score.bagged if submission.score else ():
        if bagged.metric == metric.name:
            for n_folds, value in enumerate(getattr(bagged, split), start=1):
                if value is not None and not math.isnan(value):
                    yield n_folds, value


def a_day(moments: Iterable[datetime]) -> list[tuple[date, int]]:
    """How many moments lie on each day of UTC, from the first to the last, days without any too."""
    counted = Counter(moment.astimezone(UTC).date() for moment in moments)
    if not counted:
        return []
    first, last = min(counted), max(counted)
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [(day, counted[day]) for day in days]


def _with_front(points: Sequence[tuple[float, Scored]], metric: Metric) -> list[Placed]:
    """By x, and the best first where that is equal."""
    ordered = sorted(points, key=lambda point: (point[0], _badness(point[1].score, metric)))
    placed, best = [], math.inf
    for x, each in ordered:
        badness = _badness(each.score, metric)
        placed.append(Placed(x, each.submission, each.score, on_front=badness < best))
        best = min(best, badness)
    return placed


def _badness(score: float, metric: Metric) -> float:
    return score if metric.is_lower_the_better else -score
