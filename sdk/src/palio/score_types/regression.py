"""Metrics of numbers.

All take `y_true` and `y_pred`: (n_rows,) or (n_rows, n_targets), in the unit of the target.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from palio.score_types.base import BaseScoreType


class _ErrorScoreType(BaseScoreType):
    """An error: from 0 up, lower is better."""

    is_lower_the_better: bool = True
    maximum = float("inf")


class RMSE(_ErrorScoreType):
    """Root of the mean squared error, in the target's unit: from 0 up, lower is better."""

    default_name: ClassVar[str] = "rmse"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return _root_mean_square(y_true - y_pred)


class RelativeRMSE(_ErrorScoreType):
    """Root of the mean square of (truth - prediction) / truth: from 0 up, lower is better. Infinite where a truth is 0."""

    default_name: ClassVar[str] = "relative_rmse"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return _root_mean_square((y_true - y_pred) / y_true)


class NormalizedRMSE(_ErrorScoreType):
    """Root of the mean squared error by the truth's standard deviation: from 0 up; predicting the mean gives 1; lower is better."""

    default_name: ClassVar[str] = "normalized_rmse"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return _root_mean_square(y_true - y_pred) / float(np.std(y_true))


class MARE(_ErrorScoreType):
    """Mean of |truth - prediction| / |truth|: from 0 up, lower is better. Infinite where a truth is 0."""

    default_name: ClassVar[str] = "mare"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return float(np.mean(np.abs((y_true - y_pred) / y_true)))


def _root_mean_square(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
