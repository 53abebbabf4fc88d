"""Predictions of a probability for each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from typing_extensions import Self

from palio.prediction_types.base import Array, BasePrediction, mean_of_predicted

#: Probabilities are kept this far from 0 and 1 when they are combined, so that a row of zeros has a mean too.
CLIP = 1e-15


class MulticlassPrediction(BasePrediction):
    """Probabilities: (n_rows, n_classes), columns in the order of `label_names`."""

    n_columns_true: ClassVar[int] = 0

    @classmethod
    def from_truth(cls, y_true: Any) -> Array:
        """Labels as probabilities: 1 for the label, or 1/k for each of k labels of a row: (n_rows, n_classes), float64.

        Labels are first turned into the type of the first of `label_names`. Raises ValueError for a label that is not
        among them.
        """
        kind = type(cls.label_names[0])
        columns = {label: column for column, label in enumerate(cls.label_names)}
        probabilities = np.zeros((len(y_true), len(columns)))
        for row, labels in enumerate(y_true):
            several = list(labels) if isinstance(labels, (list, tuple, np.ndarray)) and np.ndim(labels) else [labels]
            for label in several:
                column = columns.get(kind(label))
                if column is None:
                    raise ValueError(f"The label {label!r} in row {row} is not among the classes {list(cls.label_names)}.")
                probabilities[row, column] = 1 / len(several)
        return probabilities

    @property
    def y_pred_label_index(self) -> npt.NDArray[np.intp]:
        """The column of the most probable class of each row; of equal ones the first: (n_rows,)."""
        return np.asarray(np.argmax(self.y_pred, axis=1))

    @property
    def y_pred_label(self) -> list[Any]:
        """The most probable label of each row."""
        return [self.label_names[index] for index in self.y_pred_label_index]

    @classmethod
    def combine(cls, predictions_list: Sequence[Self], index_list: Iterable[int] | None = None) -> Self:
        """The mean of several predictions of the same rows, each first made a distribution.

        Every prediction is clipped to [1e-15, 1 - 1e-15] and each row divided by its sum; then the mean is taken per row
        over those that predicted it. A row that none predicted stays NaN.
        """
        chosen = range(len(predictions_list)) if index_list is None else index_list
        stack = np.clip(np.array([predictions_list[index].y_pred for index in chosen]), CLIP, 1 - CLIP)
        return cls(y_pred=mean_of_predicted(stack / stack.sum(axis=2, keepdims=True)))


def make_multiclass(label_names: Sequence[Any]) -> type[MulticlassPrediction]:
    """The class of a kit's `Predictions` for classification: one column a label, in this order.

    Raises ValueError without labels, or when one is named twice.
    """
    names = list(label_names)
    if not names:
        raise ValueError("make_multiclass needs the names of the classes.")
    if len(set(names)) != len(names):
        raise ValueError(f"make_multiclass was given a class twice: {names}.")
    return type("Multiclass", (MulticlassPrediction,), {"label_names": names, "n_columns": len(names)})
