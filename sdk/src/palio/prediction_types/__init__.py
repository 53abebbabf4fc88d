"""Kinds of predictions: each `make_…` returns the class that a kit names `Predictions`.

Where they differ from ramp-workflow 0.7: in a bag of detections an image that no fold predicted stays unpredicted, instead of having no
circles; images with equally many circles stay lists; and a part of combined predictions may have one dimension.
"""

from palio.prediction_types.base import BasePrediction
from palio.prediction_types.clustering import ClusteringPrediction, make_clustering
from palio.prediction_types.combined import CombinedPrediction, make_combined
from palio.prediction_types.detection import DetectionPrediction, make_detection
from palio.prediction_types.multiclass import MulticlassPrediction, make_multiclass
from palio.prediction_types.regression import RegressionPrediction, make_regression

__all__ = [
    "BasePrediction",
    "ClusteringPrediction",
    "CombinedPrediction",
    "DetectionPrediction",
    "MulticlassPrediction",
    "RegressionPrediction",
    "make_clustering",
    "make_combined",
    "make_detection",
    "make_multiclass",
    "make_regression",
]
