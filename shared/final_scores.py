"""A run's scores as one number a metric: what boards rank by and mails say. Pure."""

from statistics import fmean
from typing import Literal

from shared.events import ScoreEvent

#: How the folds' scores become one: of the bagged predictions, or their mean.
ScoreKind = Literal["bag", "mean"]
#: What boards rank by: the public ones by the first, the private ones by the second.
RankedSplit = Literal["valid", "test"]


def final_scores(score: ScoreEvent, split: RankedSplit, score_kind: ScoreKind) -> dict[str, float | None]:
    """One number a metric: bagged over all folds, or the mean of the folds' scores, as the kit says. None where there is none."""
    if score_kind == "bag":
        return {each.metric: (series[-1] if (series := getattr(each, split)) else None) for each in score.bagged}
    metrics = dict.fromkeys(fold.metric for fold in score.folds)
    return {name: fmean(values) if (values := fold_scores(score, name, split)) else None for name in metrics}


def fold_scores(score: ScoreEvent, metric: str, split: RankedSplit) -> list[float] | None:
    """A metric's score of each fold, in their order. None unless every fold has one: what some folds say only would flatter."""
    values = [getattr(each, split) for each in score.folds if each.metric == metric]
    return values if values and None not in values else None
