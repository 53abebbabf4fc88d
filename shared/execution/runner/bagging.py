"""Scores of predictions, and of predictions of several folds combined.

The numbers are those that `ramp-test` prints for the same predictions. To get them to the last digit, Predictions objects are
made, shared among metrics and combined in the same way: a metric of a kit may change what it is given.
"""

from __future__ import annotations

import copy
import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .faults import words_of

_MAX_PROBLEMS = 20


class _TooSlow(BaseException):
    """A metric took longer than it may."""


class Book:
    """What was wrong with the scores that are missing. `limit_s`: how long a metric may take for one number; None: as long as all."""

    def __init__(self, limit_s: float | None = None) -> None:
        self.problems: list[str] = []
        self._limit_s = limit_s
        #: One that hung once is not asked again, so that the others get their turn.
        self._given_up: set[str] = set()

    def score(self, metric: Any, truths: Any, predictions: Any, what: str) -> float | None:
        """One number; None if the metric raises, hangs, or says NaN or infinity."""
        name = str(metric.name)
        if name in self._given_up:
            return None
        try:
            with _stopped_after(self._limit_s):
                value = float(metric.score_function(truths, predictions))
        except _TooSlow:
            self._given_up.add(name)
            self._note(f"{name} of {what} took more than {self._limit_s:g} seconds; it is not asked again for this submission")
            return None
        except Exception as error:  # noqa: BLE001 - whatever a kit's metric raises
            self._note(f"{name} of {what}: {words_of(error)}")
            return None
        if not math.isfinite(value):
            self._note(f"{name} of {what} is {value}")
            return None
        return value

    def _note(self, words: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(words)


@contextmanager
def _stopped_after(seconds: float | None) -> Iterator[None]:
    """Raise `_TooSlow` in the middle of what takes longer. What hangs outside of Python ends with the whole sandbox."""
    if seconds is None:
        yield
        return

    def stop(*_: Any) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
