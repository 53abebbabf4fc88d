"""Scores of predictions: on each part of a fold, and bagged over folds.

Uses of a kit only what its contract promises, so that it serves kits of palio and of ramp-workflow alike. Runs nothing of a
submission.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from palio.kit import Indices, Problem

#: Metric to part (`train`, `valid`, `test`) to score.
Scores = dict[str, dict[str, float]]


def score_parts(score_types: Sequence[Any], parts: dict[str, tuple[Any, Any]]) -> Scores:
    """The score of every metric on every part; `parts` holds (ground truth, predictions) by its name."""
    return {
        metric.name: {part: float(metric.score_function(truth, predictions)) for part, (truth, predictions) in parts.items()}
        for metric in score_types
    }


def bag(predictions_class: Callable[..., Any], n_rows: int, predictions: Sequence[Any], rows: Sequence[Indices] | None) -> Any:
    """One prediction a row from those of all folds, by the kit's own `combine`.

    `predictions[k]` holds those of fold k at `rows[k]`, or of all rows where `rows` is None. Rows that no fold predicted
    stay unpredicted: `valid_indexes` of the result tells them.
    """
    everything = np.arange(n_rows)
    spread = []
    for fold, predicted in enumerate(predictions):
        whole = predictions_class(n_samples=n_rows)
        whole.set_valid_in_train(predicted, everything if rows is None else rows[fold])
        spread.append(whole)
    return type(spread[0]).combine(spread)


#: The scores by metric of each bag, and the last bag, of the rows that any fold predicted.
Bagged = tuple[list[dict[str, float]], Any]


def bagged(problem: Problem, y: Any, predictions: Sequence[Any], rows: Sequence[Indices] | None, *, prefixes: bool) -> Bagged:
    """The bag over all folds; with `prefixes` the bags over the first, the first two, … too. For the others see `bag`."""
    make, scores, whole = problem.Predictions, [], None
    for count in range(1 if prefixes else len(predictions), len(predictions) + 1):
        whole = bag(make, len(y), predictions[:count], None if rows is None else rows[:count])
        scores.append(score_bag(problem.score_types, make(y_true=y), whole))
    if whole is not None:
        whole.set_slice(whole.valid_indexes)
    return scores, whole


def score_bag(score_types: Sequence[Any], truth: Any, bagged: Any) -> dict[str, float]:
    """The score of every metric on the rows that any fold predicted; `truth` holds all rows and is left as it is."""
    predicted = bagged.valid_indexes
    truth, bagged = copy.deepcopy(truth), copy.deepcopy(bagged)
    truth.set_slice(predicted)
    bagged.set_slice(predicted)
    return {metric.name: float(metric.score_function(truth, bagged)) for metric in score_types}
