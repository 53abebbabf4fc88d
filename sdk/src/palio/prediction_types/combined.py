"""Predictions of several kinds for each row, such as a class and a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from palio.prediction_types.base import Array, BasePrediction


class CombinedPrediction(BasePrediction):
    """Parts side by side, each of the kind `Predictions_list[i]`, with the next columns of `y_pred` or `y_true`.

    A part with one dimension has one column of both.
    """

    Predictions_list: ClassVar[Sequence[type[BasePrediction]]] = ()

    @classmethod
    def from_truth(cls, y_true: Any) -> Array:
        """The ground truth of all parts: (n_rows, n_columns)."""
        parts = _cut(np.asarray(y_true), [kind.n_columns_true for kind in cls.Predictions_list])
        truths = [kind.from_truth(part) for kind, part in zip(cls.Predictions_list, parts)]
        return np.concatenate([truth[:, None] if truth.ndim == 1 else truth for truth in truths], axis=1)

    @property
    def predictions_list(self) -> list[BasePrediction]:
        """The parts, each with its columns."""
        parts = _cut(self.y_pred, [kind.n_columns for kind in self.Predictions_list])
        return [kind(y_pred=part) for kind, part in zip(self.Predictions_list, parts)]


def _cut(columns: Array, widths: Sequence[int]) -> list[Array]:
    """The columns of each part; one column without its dimension for a width of 0."""
    needed = sum(max(width, 1) for width in widths)
    if columns.ndim != 2 or columns.shape[1] != needed:  # noqa: PLR2004 - rows and columns
        raise ValueError(f"Combined predictions must have the shape (rows, {needed}); these have the shape {columns.shape}.")
    parts, start = [], 0
    for width in widths:
        parts.append(columns[:, start : start + width] if width else columns[:, start])
        start += max(width, 1)
    return parts


def make_combined(Predictions_list: Sequence[type[BasePrediction]]) -> type[CombinedPrediction]:  # noqa: N803 - RAMP's name
    """The class of a kit's `Predictions` whose rows have a part of each of these kinds. Raises ValueError without any."""
    kinds = tuple(Predictions_list)
    if not kinds:
        raise ValueError("make_combined needs the kinds of predictions that it combines.")
    return type(
        "Combined",
        (CombinedPrediction,),
        {
            "Predictions_list": kinds,
            "label_names": [name for kind in kinds for name in kind.label_names or [kind.__name__]],
            "n_columns": sum(max(kind.n_columns, 1) for kind in kinds),
            "n_columns_true": sum(max(kind.n_columns_true, 1) for kind in kinds),
        },
    )
