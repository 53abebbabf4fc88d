"""Kinds of predictions: each `make_…` returns the class that a kit names `Predictions`."""

from palio.prediction_types.base import BasePrediction
from palio.prediction_types.multiclass import MulticlassPrediction, make_multiclass
from palio.prediction_types.regression import RegressionPrediction, make_regression

__all__ = [
    "BasePrediction",
    "MulticlassPrediction",
    "RegressionPrediction",
    "make_multiclass",
    "make_regression",
]
