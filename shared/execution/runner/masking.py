"""Labels that a fold may not see, replaced by labels that it may.

A workflow is handed X and y whole and picks its training rows itself, so y must keep its length and its kind. The labels of
all rows outside the fold's training rows are replaced by labels of training rows, picked with a fixed seed: valid as labels,
and telling nothing that the training rows do not tell. [27 submissions of 23 RAMP kits score the same with and without.]
"""

from __future__ import annotations

from typing import Any

import numpy as np

_SEED = 20_211


def row_numbers(rows: Any, n_rows: int) -> np.ndarray:
    """The rows that a fold names (integers, a mask or a slice), as integers. Raises `ValueError` for rows that do not exist."""
    numbers = np.arange(n_rows)[rows] if isinstance(rows, slice) else np.asarray(rows)
    if numbers.dtype == bool:
        if len(numbers) != n_rows:
            raise ValueError(f"a mask of {len(numbers)} rows for {n_rows} rows")
        numbers = np.flatnonzero(numbers)
    if numbers.ndim != 1 or (numbers.size and not np.issubdtype(numbers.dtype, np.integer)):
        raise ValueError(f"rows must be a list of integers, not {numbers.dtype} of shape {numbers.shape}")
    numbers = numbers.astype(np.int64)
    if numbers.size and not (-n_rows <= numbers.min() and numbers.max() < n_rows):
        raise ValueError(f"rows {numbers.min()} to {numbers.max()} of only {n_rows}")
    return numbers % max(n_rows, 1)


def masked(y: Any, train_rows: np.ndarray) -> Any:
    """`y` with every label outside `train_rows` replaced; same container, type and length. Raises `TypeError`, `ValueError`."""
    if not len(train_rows):
        raise ValueError("a fold without training rows")
    n_rows = len(y)
    source = np.arange(n_rows)
    hidden = np.ones(n_rows, dtype=bool)
    hidden[train_rows] = False
    source[hidden] = np.random.default_rng(_SEED).choice(train_rows, size=int(hidden.sum()))
    return _picked(y, source)


def _picked(y: Any, source: np.ndarray) -> Any:
    if type(y) in (list, tuple):
        return type(y)(y[row] for row in source)
    if hasattr(y, "iloc"):
        picked = y.iloc[source]
        # The rows keep their names: the index of the original says nothing about labels, but workflows may look rows up by it.
        picked.index = y.index
        return picked
    try:
        # Arrays: numpy's, and pandas' own kinds, which `.values` gives for text.
        picked = y[source]
    except (TypeError, KeyError, IndexError):
        picked = None
    if type(picked) is not type(y):
        raise TypeError(f"y_train is of type {type(y).__name__}: return a numpy array, a list, a pandas Series or a DataFrame")
    return picked
