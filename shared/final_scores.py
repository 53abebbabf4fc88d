"""A run's scores as one number a metric: what boards rank by and mails say. Pure."""

from collections.abc import Sequence
from statistics import fmean
from typing import Literal

from shared.events import ScoreComputed

#: How the folds' scores become one: of the bagged predictions, or their mean.
ScoreKind = Literal["bag", "mean"]


def final_scores(score: ScoreComputed, split: Literal["valid", "test"], score_kind: ScoreKind) -> dict[str, float | None]:
    """One number a metric: bagged over all folds, or the mean of the folds' scores, as the kit says. None where there is none."""
    if score_kind == "bag":
        return {each.metric: (series[-1] if (series := getattr(each, split)) else None) for each in score.bagged}
    by_metric: dict[str, list[float | None]] = {}
    for fold in score.folds:
        by_metric.setdefault(fold.metric, []).append(getattr(fold, split))
    return {metric: _mean(values) for metric, values in by_metric.items()}


def _mean(values: Sequence[float | None]) -> float | None:
    """None unless every fold has a score: a mean over some folds only would flatter."""
    present = [value for value in values if value is not None]
    return fmean(present) if present and len(present) == len(values) else None
