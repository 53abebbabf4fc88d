"""Metrics of the most probable label.

All take `y_true` and `y_pred`: (n_rows,), indices of classes.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from palio.score_types.base import ClassifierBaseScoreType


class Accuracy(ClassifierBaseScoreType):
    """Share of rows whose label is right: in [0, 1], higher is better. `sklearn.metrics.accuracy_score`."""

    default_name: ClassVar[str] = "accuracy"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return float(accuracy_score(y_true, y_pred))


class ClassificationError(ClassifierBaseScoreType):
    """Share of rows whose label is wrong, 1 - accuracy: in [0, 1], lower is better."""

    is_lower_the_better: bool = True
    default_name: ClassVar[str] = "classification error"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return 1 - float(accuracy_score(y_true, y_pred))


class BalancedAccuracy(ClassifierBaseScoreType):
    """Mean recall of the classes that occur in the truth; `sklearn.metrics.balanced_accuracy_score`. Higher is better.

    Adjusted (the default, as in RAMP): rescaled so that chance is 0 and perfection 1, (r - 1/k) / (1 - 1/k) for k classes,
    in [1/(1 - k), 1], at least -1. Not adjusted: in [0, 1]. Needs two classes in the truth when adjusted.
    """

    default_name: ClassVar[str] = "balanced_accuracy"

    def __init__(self, name: str | None = None, precision: int = 2, *, adjusted: bool = True) -> None:
        super().__init__(name, precision)
        self.adjusted = adjusted
        self.minimum = -1.0 if adjusted else 0.0

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return float(balanced_accuracy_score(y_true, y_pred, adjusted=self.adjusted))


class MacroAveragedRecall(ClassifierBaseScoreType):
    """Mean recall over the classes that occur in truth or predictions: in [0, 1], higher is better.

    `sklearn.metrics.recall_score(average="macro")`. A class that is predicted and never true counts as 0, which is where it
    differs from the balanced accuracy.
    """

    default_name: ClassVar[str] = "macro_averaged_recall"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return float(recall_score(y_true, y_pred, average="macro", zero_division=0))


class F1Above(ClassifierBaseScoreType):
    """Share of classes whose F1 is above a threshold: in [0, 1], higher is better.

    F1 of a class is 2 p r / (p + r) of its precision and recall, `sklearn.metrics.f1_score(average=None)`; the classes are
    those that occur in truth or predictions.
    """

    default_name: ClassVar[str] = "f1_above"

    def __init__(self, name: str | None = None, precision: int = 2, threshold: float = 0.5) -> None:
        super().__init__(name, precision)
        self.threshold = threshold

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        f1 = f1_score(y_true, y_pred, average=None, zero_division=0)
        return float(np.mean(f1 > self.threshold))
