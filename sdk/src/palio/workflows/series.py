"""Series in time as kits hand them over: an xarray.Dataset or DataArray along `time`, or a data frame with a row a time.

xarray and pandas are never imported here: whoever made the series has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

TIME = "time"


def n_times(X: Any) -> int:
    """How many times the series has."""
    return int(X.sizes[TIME]) if hasattr(X, "isel") else len(X)


def burn_in(X: Any) -> int:
    """How many times stand at the beginning for features to look back at, without a row of y: X's attribute `n_burn_in`.

    Raises ValueError if there is none.
    """
    n_burn_in = getattr(X, "attrs", {}).get("n_burn_in", getattr(X, "n_burn_in", None))
    if n_burn_in is None:
        raise ValueError("X has no n_burn_in: the kit must set X.attrs['n_burn_in'], 0 where y begins with X.")
    return int(n_burn_in)


def between(X: Any, start: int, stop: int) -> Any:
    """A copy of these times of the series, so that whoever gets it may change it."""
    part = X.isel({TIME: slice(start, stop)}) if hasattr(X, "isel") else X.iloc[start:stop]
    copy = part.copy(deep=True)
    copy.attrs = dict(X.attrs)
    return copy


def with_other_future(X: Any, start: int, random: np.random.Generator, stop: int | None = None) -> Any:
    """A copy of the series, up to the time number `stop`, that has other values from the time number `start` on; the times themselves stay.

    Each is a value of another time, so that it is as likely as those of the series, and no kind of value (date, word, missing
    number) is left as it was; numbers with a fraction are moved besides, each differently, as much as they vary.
    """
    changed = between(X, 0, n_times(X) if stop is None else stop)
    if hasattr(X, "data_vars"):
        for name in list(changed.data_vars):
            changed[name] = _other_variable(changed[name], start, random)
        return changed
    if hasattr(X, "isel"):
        return _other_variable(changed, start, random)
    return _other_frame(changed, start, random)


def _other_variable(variable: Any, start: int, random: np.random.Generator) -> Any:
    if TIME not in variable.dims:
        return variable
    axis = variable.dims.index(TIME)
    values = np.moveaxis(variable.values, axis, 0)
    return variable.copy(data=np.moveaxis(_other_values(values, start, random), 0, axis))


def _other_frame(frame: Any, start: int, random: np.random.Generator) -> Any:
    rows = np.arange(len(frame))
    rows[start:] = random.integers(0, len(frame), len(frame) - start)
    changed = frame.iloc[rows].copy()
    changed.index = frame.index
    for number in range(frame.shape[1]):
        # By number: two columns may have the same name.
        column = frame.iloc[:, number]
        if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
            changed.iloc[:, number] = changed.iloc[:, number].to_numpy() + _moves(column.to_numpy(), start, random)
    return changed


def _other_values(values: npt.NDArray[Any], start: int, random: np.random.Generator) -> npt.NDArray[Any]:
    """Values along the first axis, (n_times, ...), with others from `start` on."""
    rows = np.arange(len(values))
    rows[start:] = random.integers(0, len(values), len(values) - start)
    other = values[rows]
    return other + _moves(values, start, random) if other.dtype.kind == "f" else other


def _moves(values: npt.NDArray[Any], start: int, random: np.random.Generator) -> npt.NDArray[Any]:
    """Noise from `start` on, of the type and spread of the values."""
    finite = values[np.isfinite(values)]
    spread = float(finite.std(dtype=np.float64)) if finite.size else 0.0
    moves = np.zeros(values.shape, values.dtype)
    moves[start:] = random.normal(0, spread or 1.0, moves[start:].shape)
    return moves
