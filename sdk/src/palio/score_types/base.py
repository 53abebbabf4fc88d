"""What a metric is: a number for predictions against the truth, its range, and which end of it is good."""

from __future__ import annotations

from typing import Any, ClassVar

from palio.prediction_types.base import Array, BasePrediction


class BaseScoreType:
    """A metric; a kit may write its own by deriving from this one.

    `score_function` takes two `Predictions`, and hands `__call__` what this kind of metric compares: here, `y_pred` of both.
    """

    is_lower_the_better: bool = False
    minimum: float = 0.0
    maximum: float = 1.0
    #: What `name` is when a kit does not say.
    default_name: ClassVar[str] = ""

    def __init__(self, name: str | None = None, precision: int = 2) -> None:
        #: What boards and tables call it.
        self.name = self.default_name if name is None else name
        #: Decimal places shown.
        self.precision = precision

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, precision={self.precision})"

    @property
    def worst(self) -> float:
        """The bad end of the range."""
        return self.maximum if self.is_lower_the_better else self.minimum

    def score_function(self, ground_truths: BasePrediction, predictions: BasePrediction) -> float:
        """The score of predictions against the truth of the same rows; raises ValueError when their numbers differ."""
        y_true, y_pred = self.compared(ground_truths, predictions)
        self.check_y_pred_dimensions(y_true, y_pred)
        return self(y_true, y_pred)

    def compared(self, ground_truths: BasePrediction, predictions: BasePrediction) -> tuple[Array, Array]:
        """What `__call__` gets of the truth and of the predictions."""
        return ground_truths.y_pred, predictions.y_pred

    def check_y_pred_dimensions(self, y_true: Array, y_pred: Array) -> None:
        """Raise ValueError unless both have the same number of rows."""
        if len(y_true) != len(y_pred):
            raise ValueError(f"There must be {len(y_true)} predictions, one for each row; there are {len(y_pred)}.")

    # Not abstract: a kit's own metric may define `score_function` alone.
    def __call__(self, y_true: Any, y_pred: Any) -> float:  # noqa: ARG002 - what derived metrics take
        """The score."""
        raise TypeError(f"{type(self).__name__} must define __call__(self, y_true, y_pred).")


class ClassifierBaseScoreType(BaseScoreType):
    """A metric of labels: `__call__` gets the index of the true and of the most probable class of each row, (n_rows,)."""

    def compared(self, ground_truths: Any, predictions: Any) -> tuple[Array, Array]:
        """Indices of classes."""
        return ground_truths.y_pred_label_index, predictions.y_pred_label_index


class SecondClassScoreType(BaseScoreType):
    """A metric of the second class's probability: `__call__` gets the index of the true class and `y_pred[:, 1]`, (n_rows,)."""

    def compared(self, ground_truths: Any, predictions: Any) -> tuple[Array, Array]:
        """Indices of true classes, and probabilities."""
        return ground_truths.y_pred_label_index, predictions.y_pred[:, 1]
