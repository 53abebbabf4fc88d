"""The order of scored submissions, for every service that must agree on who is where. Pure.

Ties: the earlier submission first. A score that is missing stands last, whichever direction is better. In a competition each team has
one place: that of its best submission.
"""

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from shared.events import Metric


class Competitor(Protocol):
    """What of a submission decides its place, besides its score."""

    @property
    def submission_id(self) -> UUID:
        """Of two handed in at the same moment, the lower goes first."""

    @property
    def team_id(self) -> UUID:
        """Whose it is."""

    @property
    def submitted_at(self) -> datetime:
        """Of two that are equally good, the earlier goes first."""


AnyCompetitor = TypeVar("AnyCompetitor", bound=Competitor)


def in_order(
    submissions: Iterable[AnyCompetitor], score_of: Callable[[AnyCompetitor], float | None], metric: Metric
) -> list[AnyCompetitor]:
    """Best first by one metric."""

    def place(submission: AnyCompetitor) -> tuple[bool, float, datetime, str]:
        return *_badness(score_of(submission), metric), submission.submitted_at, str(submission.submission_id)

    return sorted(submissions, key=place)


def best_of_teams(ordered: Iterable[AnyCompetitor]) -> list[AnyCompetitor]:
    """The first submission of each team."""
    best: dict[UUID, AnyCompetitor] = {}
    for each in ordered:
        best.setdefault(each.team_id, each)
    return list(best.values())


def _badness(value: float | None, metric: Metric) -> tuple[bool, float]:
    """Sorts a missing score behind every other, also behind the worst that a metric can say."""
    if value is None or math.isnan(value):
        return True, 0.0
    return False, value if metric.is_lower_the_better else -value
