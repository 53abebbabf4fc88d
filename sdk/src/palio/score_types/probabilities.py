"""Metrics of all classes' probabilities.

All take `y_true` and `y_pred`: (n_rows, n_classes), probabilities; of the truth they are 0 and 1.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.metrics import log_loss

from palio.score_types.base import BaseScoreType


class NegativeLogLikelihood(BaseScoreType):
    """Mean of -log of the probability given to the true class: from 0 up, in nats, lower is better.

    `sklearn.metrics.log_loss`, which keeps probabilities away from 0 and 1 by the precision of their type.
    """

    is_lower_the_better: bool = True
    maximum = float("inf")
    default_name: ClassVar[str] = "negative log likelihood"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return float(log_loss(y_true, y_pred))


class SoftAccuracy(BaseScoreType):
    """Mean of the scores of the predicted classes, weighted by their probabilities; higher is better.

    `score_matrix[i, j]` is what predicting class j earns when i is true: (n_classes, n_classes); the identity gives the mean
    probability of the true class. Probabilities are clipped to [0, 1] and rows divided by their sum; a row of zeros earns 0.
    In [0, largest entry] for a matrix without negative entries.
    """

    default_name: ClassVar[str] = "soft precision"

    def __init__(self, score_matrix: npt.ArrayLike, name: str | None = None, precision: int = 2) -> None:
        super().__init__(name, precision)
        self.score_matrix = np.asarray(score_matrix, dtype=float)
        self.maximum = float(self.score_matrix.max())

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        positive = np.clip(y_pred, 0, 1)
        total = positive.sum(axis=1, keepdims=True)
        weights = np.divide(positive, total, out=np.zeros(positive.shape), where=total > 0)
        return float(np.mean(np.sum(weights * (y_true @ self.score_matrix), axis=1)))
