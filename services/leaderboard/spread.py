"""How much a score depends on the fold: mean, deviation and standard error over folds, and whether two scores differ beyond it. Pure.

Folds share training rows, so their scores are not independent, and the standard error is a little too small: it says when a difference
is surely not worth a word, not when it is proven. Two submissions are compared fold by fold, on the same rows: what makes a fold hard
is hard for both, and does not count.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """One metric over folds. None where a fold has no score; deviation and error also where there is one fold only."""

    mean: float | None
    #: Of the sample: divided by the number of folds less one.
    std: float | None
    #: Of the mean: the deviation by the root of the number of folds.
    standard_error: float | None


def spread_of(values: Sequence[float] | None) -> Spread:
    """Mean, deviation and error of the folds' scores."""
    if not values:
        return Spread(None, None, None)
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Spread(mean, None, None)
    # Not `statistics.stdev`, which computes with fractions: ten times as long, and a board has thousands. In two passes, so nothing is
    # lost where deviations are small; equal values have none, whatever their mean is rounded to.
    squares = math.fsum((value - mean) ** 2 for value in values) if min(values) < max(values) else 0.0
    deviation = math.sqrt(squares / (len(values) - 1))
    return Spread(mean, deviation, deviation / math.sqrt(len(values)))


def within_noise(one: Sequence[float] | None, other: Sequence[float] | None) -> bool | None:
    """Whether the mean difference of two submissions, fold by fold, is no more than its standard error; None if that is not known."""
    if one is None or other is None or len(one) != len(other) or len(one) == 1:
        return None
    difference = spread_of([mine - theirs for mine, theirs in zip(one, other, strict=True)])
    if difference.mean is None or difference.standard_error is None:
        return None
    return abs(difference.mean) <= difference.standard_error
