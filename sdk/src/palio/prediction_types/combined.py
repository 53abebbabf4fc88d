"""Predictions of several kinds for each row, such as a class and a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from palio.prediction_types.base import Array, BasePrediction
from palio.rows import Rows, take_rows


class CombinedPrediction(BasePrediction):
    """Parts side by side: `predictions_list[i]` is of the kind `Predictions_list[i]`, from the next columns of `y_pred` or `y_true`.

    A part with one dimension has one column of both.
    """

    Predictions_list: ClassVar[Sequence[type[BasePrediction]]] = ()

    def __init__(
        self,
        y_pred: Any = None,
        y_true: Any = None,
        n_samples: int | None = None,
        fold_is: Rows | None = None,
    ) -> None:
        if y_pred is not None:
            parts = self._cut(take_rows(y_pred, fold_is), [kind.n_columns for kind in self.Predictions_list])
            self.predictions_list = [kind(y_pred=part) for kind, part in zip(self.Predictions_list, parts)]
        elif y_true is not None:
            parts = self._cut(take_rows(y_true, fold_is), [kind.n_columns_true for kind in self.Predictions_list])
            self.predictions_list = [kind(y_true=part) for kind, part in zip(self.Predictions_list, parts)]
        elif n_samples is not None:
            self.predictions_list = [kind(n_samples=n_samples) for kind in self.Predictions_list]
        else:
            raise ValueError("Predictions need y_pred, y_true or n_samples; none of them was given.")

    @property
    def y_pred(self) -> Array:  # type: ignore[override]
        """All parts: (n_rows, the sum of their columns)."""
        parts = [part.y_pred for part in self.predictions_list]
        return np.concatenate([part[:, None] if part.ndim == 1 else part for part in parts], axis=1)

    def set_valid_in_train(self, predictions: Any, test_is: Rows) -> None:
        """Write the predictions of a fold at its rows, in each part."""
        for mine, given in zip(self.predictions_list, predictions.predictions_list):
            mine.set_valid_in_train(given, test_is)

    def set_slice(self, valid_indexes: Rows) -> None:
        """Keep only these rows, in each part."""
        for part in self.predictions_list:
            part.set_slice(valid_indexes)

    @staticmethod
    def _cut(columns: Any, widths: Sequence[int]) -> list[Array]:
        """The columns of each part; one column without its dimension for a width of 0."""
        columns = np.asarray(columns)
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
            "n_columns": sum(max(kind.n_columns, 1) for kind in kinds),
            "n_columns_true": sum(max(kind.n_columns_true, 1) for kind in kinds),
        },
    )
