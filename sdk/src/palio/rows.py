"""Taking rows from whatever a kit calls X or y: an array, a data frame, a sparse matrix, a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

import numpy as np
import numpy.typing as npt

#: Row numbers, a mask, or a slice.
Rows = Union[npt.ArrayLike, slice, range]


def take_rows(data: Any, rows: Rows | None) -> Any:
    """The rows of `data` at these positions, as the same kind of container; all of them for None.

    Positions count from 0 whatever index a data frame has. A boolean mask of the length of `data` selects where it is true.
    """
    if rows is None:
        return data
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    if isinstance(data, (list, tuple)):
        return _take_from_sequence(data, rows)
    return data[rows]


def _take_from_sequence(data: Sequence[Any], rows: Rows) -> list[Any]:
    chosen = positions(rows)
    if isinstance(chosen, slice):
        return list(data[chosen])
    if chosen.dtype == bool:
        chosen = np.flatnonzero(chosen)
    return [data[int(position)] for position in chosen]


def positions(rows: Rows) -> npt.NDArray[Any] | slice:
    """Rows as an array, or as the slice that they are."""
    if isinstance(rows, slice):
        return rows
    chosen = np.asarray(rows)
    # An empty list becomes an array of floats, which cannot index.
    return chosen if chosen.size else chosen.astype(np.intp)


def n_rows(data: Any) -> int | None:
    """How many rows an array, data frame, sparse matrix or list has; None for other containers, whose length may be another."""
    shape = getattr(data, "shape", None)
    if shape:
        return int(shape[0])
    return len(data) if isinstance(data, list) else None
