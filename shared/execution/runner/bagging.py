"""Scores of predictions, and of predictions of several folds combined.

The numbers are those that `ramp-test` prints for the same predictions. To get them to the last digit, Predictions objects are
made, shared among metrics and combined in the same way: a metric of a kit may change what it is given.
"""

from __future__ import annotations

import copy
import math
from typing import Any

from .faults import words_of

_MAX_PROBLEMS = 20


class Book:
    """What was wrong with the scores that are missing."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def score(self, metric: Any, truths: Any, predictions: Any, what: str) -> float | None:
        """One number; None if the metric raises, or says NaN or infinity."""
        try:
            value = float(metric.score_function(truths, predictions))
        except Exception as error:  # noqa: BLE001 - whatever a kit's metric raises
            self._note(f"{metric.name} of {what}: {words_of(error)}")
            return None
        if not math.isfinite(value):
            self._note(f"{metric.name} of {what} is {value}")
            return None
        return value

    def _note(self, words: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(words)


class Bag:
    """Predictions of folds, combined row by row; a row counts once a fold has predicted it."""

    def __init__(self, make: Any, y: Any) -> None:
        self._make = make
        self._truths = make(y_true=y)
        self._n_rows = len(self._truths.y_pred)
        self._placed: list[Any] = []

    def add(self, predictions: Any, rows: Any) -> None:
        """One fold more; `rows` are those that it predicts, None for all."""
        place = self._make(n_samples=self._n_rows)
        place.set_valid_in_train(predictions, range(len(predictions.y_pred)) if rows is None else rows)
        self._placed.append(place)

    def scores(self, metrics: list[Any], book: Book, what: str) -> dict[str, float | None]:
        """The score of each metric on what there is so far; None for all where that is nothing."""
        if not self._placed:
            return {str(metric.name): None for metric in metrics}
        combined = self._make.combine(list(self._placed))
        covered = combined.valid_indexes
        scores = {}
        for metric in metrics:
            # Fresh for each metric, as they are in ramp-test.
            of_truths, of_combined = copy.deepcopy(self._truths), copy.deepcopy(combined)
            of_truths.set_slice(covered)
            of_combined.set_slice(covered)
            scores[str(metric.name)] = book.score(metric, of_truths, of_combined, what)
        return scores
