"""Folds that do not cut into events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import ShuffleSplit

Indices = npt.NDArray[np.intp]


class Clustering:
    """Random splits of events, as `sklearn.model_selection.ShuffleSplit` makes them; all rows of an event are on one side."""

    def __init__(self, n_cv: int = 1, cv_test_size: float = 0.5, random_state: int = 57) -> None:
        self.n_cv = n_cv
        self.cv_test_size = cv_test_size
        self.random_state = random_state

    def get_cv(self, X: Any, y: Any) -> Iterator[tuple[Indices, Indices]]:  # noqa: ARG002 - the contract's arguments
        """Rows for training and for validation of each fold. `y`: (n_rows, 2), the event in its first column."""
        events = np.asarray(y)[:, 0]
        known = np.unique(events)
        split = ShuffleSplit(n_splits=self.n_cv, test_size=self.cv_test_size, random_state=self.random_state)
        for train, valid in split.split(known):
            yield np.flatnonzero(np.isin(events, known[train])), np.flatnonzero(np.isin(events, known[valid]))
