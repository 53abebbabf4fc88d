"""Predictions as plain arrays of numbers, and back: the only form in which anything of a submission leaves a sandbox.

Numeric predictions are one array, `values`: (n_rows, ...). Ragged ones (detections: per row None, or a list of tuples of
equal width) are `values`: (n_tuples, width) float64, or int64 if there is nothing but integers, since a metric may count with
them; `offsets`: (n_rows + 1,) int64, the tuples of row i are `values[offsets[i]:offsets[i + 1]]`; `is_none`: (n_rows,) bool.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Integers beyond it are no exact float64.
_EXACT = 2**53
_NUMERIC = "biuf"


class BadPredictionsError(Exception):
    """What the workflow returned are no predictions; the message is for the participant."""


def encoded(predictions: Any, *, ragged: bool) -> dict[str, np.ndarray]:
    """Predictions as arrays by name. Raises `BadPredictionsError`; whether rows and columns are right is checked outside."""
    try:
        # A copy of the plain kind: a subclass of arrays may answer for itself what it likes.
        array = np.array(predictions, copy=True, subok=False)
    except (ValueError, TypeError) as error:
        if not ragged:
            raise BadPredictionsError(
                f"predictions of type {type(predictions).__name__} cannot be made an array: {error}"
            ) from None
        array = np.empty(len(predictions), dtype=object)
        array[:] = list(predictions)
    if ragged:
        return _encoded_ragged(array)
    if array.ndim == 0:
        raise BadPredictionsError(
            f"predictions are of type {type(predictions).__name__}, an array with a row for each sample is needed"
        )
    return {"values": _numbers(array)}


def decoded(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """What the workflow returned, from its arrays: for ragged ones an object array of None and lists of tuples."""
    values = arrays["values"]
    if "offsets" not in arrays:
        return values
    offsets = arrays["offsets"]
    rows = np.empty(len(offsets) - 1, dtype=object)
    for row, is_none in enumerate(arrays["is_none"]):
        rows[row] = None if is_none else [tuple(item) for item in values[offsets[row] : offsets[row + 1]].tolist()]
    return rows


def _numbers(array: np.ndarray) -> np.ndarray:
    if array.dtype == object:
        flat = array.ravel()
        if not all(isinstance(item, (bool, int, float, np.bool_, np.integer, np.floating)) for item in flat):
            kinds = sorted({type(item).__name__ for item in flat} - {"int", "float", "bool"})
            raise BadPredictionsError(f"predictions hold values of type {', '.join(kinds[:3])}, numbers are needed")
        if any(isinstance(item, (int, np.integer)) and not -_EXACT <= item <= _EXACT for item in flat):
            raise BadPredictionsError("predictions hold integers too large for a float")
        return array.astype(np.float64)
    if array.dtype.kind not in _NUMERIC:
        raise BadPredictionsError(f"predictions are of type {array.dtype}, numbers are needed")
    if array.dtype.itemsize > np.dtype(np.float64).itemsize:
        return array.astype(np.float64)
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _encoded_ragged(array: np.ndarray) -> dict[str, np.ndarray]:
    if array.ndim == 0:
        raise BadPredictionsError("predictions need a row for each sample: a list of tuples, or None")
    tuples: list[tuple[int | float, ...]] = []
    offsets = [0]
    is_none = []
    for row, content in enumerate(array):
        is_none.append(content is None)
        try:
            tuples += [] if content is None else [tuple(_number(number) for number in item) for item in content]
        except (TypeError, ValueError):
            raise BadPredictionsError(f"the predictions of row {row} are no list of tuples of numbers") from None
        offsets.append(len(tuples))
    if len({len(item) for item in tuples}) > 1:
        raise BadPredictionsError("the predictions hold tuples of different lengths")
    width = len(tuples[0]) if tuples else 0
    whole = bool(tuples) and all(isinstance(number, int) for item in tuples for number in item)
    try:
        values = np.array(tuples, dtype=np.int64 if whole else np.float64)
    except OverflowError:
        raise BadPredictionsError("predictions hold integers too large for 64 bits") from None
    return {
        "values": values.reshape(len(tuples), width),
        "offsets": np.array(offsets, dtype=np.int64),
        "is_none": np.array(is_none, dtype=bool),
    }


def _number(content: Any) -> int | float:
    return int(content) if isinstance(content, (int, np.integer)) else float(content)
