"""Metrics of many candidates in one array operation: (n_candidates, ...) to (n_candidates,).

For metrics of palio and of ramp-workflow, known by the names of their classes, on `Predictions` that are combined by their mean. Each
gives what the metric itself would, but for the last digits; what is shown to anyone is what the metric itself says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Scores = npt.NDArray[np.float64]

_PACKAGES = ("palio.score_types.", "rampwf.score_types.")
_CLIP = 1e-15


@dataclass(frozen=True)
class BatchedMetric:
    """`reduce`: what a metric needs of a candidate's `y_pred`, as an array that can be averaged; `score`: of such means.

    The means have the very digits of what `combine` gives: where candidates are sure of themselves, classes tie by them.
    """

    reduce: Callable[[Array], Array]
    score: Callable[[Array], Scores]


def combines_by_mean(kind: Any) -> Callable[[Array], Array] | None:
    """For a class of `Predictions` whose `combine` takes the mean: what is done to each `y_pred` before. None for others."""
    combine = getattr(getattr(kind, "combine", None), "__func__", None)
    return {
        "palio.prediction_types.base": _as_numbers,
        "rampwf.prediction_types.base": _as_numbers,
        "palio.prediction_types.multiclass": as_distributions,
        "rampwf.prediction_types.multiclass": as_distributions,
    }.get(getattr(combine, "__module__", ""))


def batched_metric(metric: Any, truths: Any) -> BatchedMetric | None:
    """How to score many candidates at once by this metric against this truth; None where there is no such way."""
    prepare, name = combines_by_mean(type(truths)), type(metric).__name__
    if prepare is None or not type(metric).__module__.startswith(_PACKAGES) or not len(truths.y_pred):
        return None
    if prepare is as_distributions:
        return _of_distributions(name, metric, truths.y_pred)
    if name in _OF_NUMBERS:
        return BatchedMetric(_as_numbers, _OF_NUMBERS[name](_as_numbers(truths.y_pred)))
    return None


def _of_distributions(name: str, metric: Any, y_true: Array) -> BatchedMetric | None:
    classes = y_true.argmax(axis=1)
    if name in _OF_LABELS:
        score = _OF_LABELS[name](np.bincount(classes, minlength=y_true.shape[1]), metric)
        return score and _labels(score, classes, y_true.shape[1])
    if name in _OF_SECOND_CLASS:
        return BatchedMetric(lambda y_pred: as_distributions(y_pred)[:, 1], _OF_SECOND_CLASS[name](classes))
    if name == "NegativeLogLikelihood" and (np.count_nonzero(y_true, axis=1) == 1).all():
        rows = np.arange(len(classes))
        return BatchedMetric(lambda y_pred: as_distributions(y_pred)[rows, classes], _negative_log_likelihood)
    return None


def as_distributions(y_pred: Array) -> Array:
    """Probabilities as `Predictions` of classes are averaged: clipped, each row divided by its sum. (n_rows, n_classes)."""
    positive = np.clip(_as_numbers(y_pred), _CLIP, 1 - _CLIP)
    distributions: Array = positive / positive.sum(axis=1, keepdims=True)
    return distributions


def _as_numbers(y_pred: Array) -> Array:
    # A floating type stays what it is: `combine` adds up in it too.
    return y_pred if np.issubdtype(y_pred.dtype, np.floating) else np.asarray(y_pred, dtype=np.float64)


def _negative_log_likelihood(of_true: Array) -> Scores:
    # Kept away from 0 and 1 by the precision of their type, as the metric does.
    tiny = np.finfo(of_true.dtype).eps
    return np.asarray(-np.log(np.clip(of_true, tiny, 1 - tiny)).mean(axis=1))


# Labels: which class is the most probable. Rows stand in the order of their true class, classes before rows, so that each
# comparison runs along memory.


def _labels(score: Callable[[Array], Scores], classes: Array, n_classes: int) -> BatchedMetric:
    order = np.argsort(classes, kind="stable")
    n_true = np.bincount(classes, minlength=n_classes)
    ends = np.cumsum(n_true)

    def n_right(means: Array) -> Array:
        """How many rows of each true class have it as their first most probable one: (n_candidates, n_classes)."""
        right = np.zeros((len(means), n_classes))
        for true in np.flatnonzero(n_true):
            rows = slice(ends[true] - n_true[true], ends[true])
            own = means[:, true, rows]
            is_first = np.ones(own.shape, dtype=bool)
            if true > 0:
                is_first &= own > means[:, :true, rows].max(axis=1)
            if true < n_classes - 1:
                is_first &= own >= means[:, true + 1 :, rows].max(axis=1)
            right[:, true] = np.count_nonzero(is_first, axis=1)
        return right

    return BatchedMetric(
        reduce=lambda y_pred: np.take(as_distributions(y_pred).T, order, axis=1),
        score=lambda means: score(n_right(means)),
    )


def _accuracy(n_true: Array, _metric: Any) -> Callable[[Array], Scores]:
    return lambda n_right: n_right.sum(axis=1) / n_true.sum()


def _error(n_true: Array, _metric: Any) -> Callable[[Array], Scores]:
    return lambda n_right: 1 - n_right.sum(axis=1) / n_true.sum()


def _balanced_accuracy(n_true: Array, metric: Any) -> Callable[[Array], Scores] | None:
    # How a class that is never true counts differs among releases of scikit-learn.
    if not n_true.all() or len(n_true) == 1:
        return None
    chance = 1 / len(n_true) if metric.adjusted else 0.0
    return lambda n_right: ((n_right / n_true).mean(axis=1) - chance) / (1 - chance)


def _macro_averaged_recall(n_true: Array, _metric: Any) -> Callable[[Array], Scores] | None:
    # A class that is predicted and never true counts as 0: which are predicted is not known here.
    return (lambda n_right: (n_right / n_true).mean(axis=1)) if n_true.all() else None


_OF_LABELS: dict[str, Callable[[Array, Any], Callable[[Array], Scores] | None]] = {
    "Accuracy": _accuracy,
    "ClassificationError": _error,
    "BalancedAccuracy": _balanced_accuracy,
    "MacroAveragedRecall": _macro_averaged_recall,
}


# The second class's probability: (n_candidates, n_rows).


def _roc_auc(classes: Array) -> Callable[[Array], Scores]:
    is_true = classes == 1
    n_pairs = int(is_true.sum()) * int((~is_true).sum())

    def score(means: Array) -> Scores:
        found = np.full(len(means), np.nan)
        for number, each in enumerate(means if n_pairs else ()):
            others, own = np.sort(each[~is_true]), np.sort(each[is_true])
            # An equal pair is half right.
            right = others.searchsorted(own, "left").sum() + others.searchsorted(own, "right").sum()
            found[number] = right / (2 * n_pairs)
        return found

    return score


def _brier_score(classes: Array) -> Callable[[Array], Scores]:
    truth = (classes == 1).astype(np.float64)
    return lambda means: np.square(means - truth).mean(axis=1)


def _brier_skill_score(classes: Array) -> Callable[[Array], Scores]:
    truth = (classes == 1).astype(np.float64)
    climate = float(np.square(truth.mean() - truth).mean())
    score = _brier_score(classes)
    return lambda means: 1 - score(means) / climate if climate else np.full(len(means), np.nan)


_OF_SECOND_CLASS: dict[str, Callable[[Array], Callable[[Array], Scores]]] = {
    "ROCAUC": _roc_auc,
    "BrierScore": _brier_score,
    "BrierSkillScore": _brier_skill_score,
}


# Numbers: (n_candidates, n_rows) or (n_candidates, n_rows, n_targets).


def _rmse(y_true: Array) -> Callable[[Array], Scores]:
    return lambda means: _root_mean_square(means - y_true)


def _relative_rmse(y_true: Array) -> Callable[[Array], Scores]:
    return lambda means: _root_mean_square((y_true - means) / y_true)


def _normalized_rmse(y_true: Array) -> Callable[[Array], Scores]:
    deviation = float(np.std(y_true))
    return lambda means: _root_mean_square(means - y_true) / deviation


def _mare(y_true: Array) -> Callable[[Array], Scores]:
    return lambda means: np.abs((y_true - means) / y_true).mean(axis=_all_but_first(means))


def _root_mean_square(values: Array) -> Scores:
    return np.asarray(np.sqrt(np.square(values).mean(axis=_all_but_first(values))))


def _all_but_first(values: Array) -> tuple[int, ...]:
    return tuple(range(1, values.ndim))


_OF_NUMBERS: dict[str, Callable[[Array], Callable[[Array], Scores]]] = {
    "RMSE": _rmse,
    "RelativeRMSE": _relative_rmse,
    "NormalizedRMSE": _normalized_rmse,
    "MARE": _mare,
}
