"""What all predictions share: one array behind `y_pred`, masks for rows no fold predicted, and bagging.

Ground truth and predictions are held by the same class, so that a metric compares two of them. Rows that nobody
predicted are NaN, which is how a bag over folds knows which rows it may score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from typing_extensions import Self

from palio.rows import Rows, positions, take_rows

Array = npt.NDArray[Any]


class BasePrediction:
    """Predictions or ground truth of some rows.

    Made from exactly one of `y_pred` (what a model returned), `y_true` (what a kit's `get_train_data` returned) and
    `n_samples` (that many rows that nobody predicted yet: NaN). `fold_is` takes only these rows of the first two.
    Raises ValueError when none is given, or when the shape or a value does not fit.
    """

    #: Names of the columns; for classes, the labels in the order of their columns.
    label_names: ClassVar[Sequence[Any]] = ()
    #: Columns of `y_pred`; 0 says that it has one dimension.
    n_columns: ClassVar[int] = 0
    #: Columns of a kit's `y`; 0 says that it has one dimension.
    n_columns_true: ClassVar[int] = 0

    #: (n_rows,) where `n_columns` is 0, else (n_rows, n_columns).
    y_pred: Array

    def __init__(
        self,
        y_pred: Any = None,
        y_true: Any = None,
        n_samples: int | None = None,
        fold_is: Rows | None = None,
    ) -> None:
        if y_pred is not None:
            self.y_pred = self.from_predicted(take_rows(y_pred, fold_is))
        elif y_true is not None:
            self.y_pred = self.from_truth(take_rows(y_true, fold_is))
        elif n_samples is not None:
            self.y_pred = self.unpredicted(n_samples)
        else:
            raise ValueError("Predictions need y_pred, y_true or n_samples; none of them was given.")
        self.check_y_pred_dimensions()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(y_pred={self.y_pred!r})"

    @classmethod
    def from_predicted(cls, y_pred: Any) -> Array:
        """What a model returned as `y_pred`."""
        return numbers(y_pred)

    @classmethod
    def unpredicted(cls, n_samples: int) -> Array:
        """The `y_pred` of rows that nobody predicted."""
        return np.full((n_samples, cls.n_columns) if cls.n_columns else (n_samples,), np.nan)

    @classmethod
    def from_truth(cls, y_true: Any) -> Array:
        """The ground truth as an array of the shape of `y_pred`."""
        return numbers(y_true)

    def check_y_pred_dimensions(self) -> None:
        """Raise ValueError, in words for whoever wrote the submission, unless `y_pred` has the shape it must have."""
        shape = self.y_pred.shape
        if self.n_columns == 0 and len(shape) != 1:
            raise ValueError(f"Predictions must have one dimension (one number a row); these have the shape {shape}.")
        if self.n_columns > 0 and (len(shape) != 2 or shape[1] != self.n_columns):  # noqa: PLR2004 - rows and columns
            columns = ", ".join(map(str, self.label_names))
            raise ValueError(
                f"Predictions must have the shape (rows, {self.n_columns}), a column for each of {columns}, in this order; "
                f"these have the shape {shape}."
            )

    @property
    def valid_indexes(self) -> npt.NDArray[np.bool_]:
        """Which rows were predicted: (n_rows,), boolean."""
        first = self.y_pred if self.y_pred.ndim == 1 else self.y_pred[:, 0]
        return np.asarray(~np.isnan(first))

    def set_valid_in_train(self, predictions: BasePrediction, test_is: Rows) -> None:
        """Write the predictions of a fold at its rows, `test_is`."""
        self.y_pred[positions(test_is)] = predictions.y_pred

    def set_slice(self, valid_indexes: Rows) -> None:
        """Keep only these rows."""
        self.y_pred = self.y_pred[positions(valid_indexes)]

    @classmethod
    def combine(cls, predictions_list: Sequence[Self], index_list: Iterable[int] | None = None) -> Self:
        """The mean of several predictions of the same rows, per row over those that predicted it.

        `index_list` picks some, with repetition if it repeats; None takes all. A row that none predicted stays NaN.
        """
        chosen = range(len(predictions_list)) if index_list is None else index_list
        return cls(y_pred=mean_of_predicted(np.array([predictions_list[index].y_pred for index in chosen])))


def numbers(values: Any) -> Array:
    """A copy of the values as an array of numbers; raises ValueError if they are none.

    A floating type is kept, since metrics clip by its precision; all else becomes float64.
    """
    array = np.array(values)
    if np.issubdtype(array.dtype, np.floating):
        return array
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Predictions must be numbers; these are of type {array.dtype}: {error}.") from error


def mean_of_predicted(stack: Array) -> Array:
    """The mean over the first axis without NaN: (n, …) to (…); NaN where all are.

    numpy's `nanmean` without its warning about empty slices, which are no fault here.
    """
    predicted = ~np.isnan(stack)
    count = predicted.sum(axis=0)
    total = np.where(predicted, stack, 0).sum(axis=0)
    mean: Array = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean
