"""Predictions of one number a row, or of several targets."""

from __future__ import annotations

from collections.abc import Sequence

from palio.prediction_types.base import BasePrediction


class RegressionPrediction(BasePrediction):
    """Numbers: (n_rows,), or (n_rows, n_targets) where targets are named."""


def make_regression(label_names: Sequence[str] = ()) -> type[RegressionPrediction]:
    """The class of a kit's `Predictions` for regression.

    Without names, or with an empty list, there is one target and `y_pred` has one dimension; with names, one column each.
    """
    names = list(label_names)
    return type(
        "Regression",
        (RegressionPrediction,),
        {"label_names": names, "n_columns": len(names), "n_columns_true": len(names)},
    )
