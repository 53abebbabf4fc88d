"""Metrics, under the names that RAMP's kits use.

Where they differ from ramp-workflow 0.7: the default `name` of MacroAveragedRecall, RelativeRMSE, NormalizedRMSE and the
parts of the Brier score is their own instead of another metric's, and the `minimum` of an adjusted BalancedAccuracy is -1, which it can reach. In the
reliability of the Brier score a bin stands for the probability in its middle, not for 0.005, which punished honest forecasts.
OSPA of images without anything, in which nothing was found, is 0 instead of 1. Circles overlap in the lens between them; RAMP adds the kite
between the two sectors instead of taking it off, so that circles that barely touch seem to overlap more. What has no value is NaN
instead of a division by zero.
"""

from palio.score_types.base import BaseScoreType, ClassifierBaseScoreType
from palio.score_types.binary import (
    ROCAUC,
    BrierScore,
    BrierScoreReliability,
    BrierScoreResolution,
    BrierSkillScore,
    NormalizedGini,
)
from palio.score_types.clustering import ClusteringEfficiency
from palio.score_types.combined import Combined, ErrorMAREMixed, ErrorMixed, MakeCombined, MAREMixed
from palio.score_types.detection import (
    OSPA,
    SCP,
    AverageDetectionPrecision,
    DetectionAveragePrecision,
    DetectionPrecision,
    DetectionRecall,
    DetectionScoreType,
    MADCenter,
    MADRadius,
)
from palio.score_types.labels import Accuracy, BalancedAccuracy, ClassificationError, F1Above, MacroAveragedRecall
from palio.score_types.probabilities import NegativeLogLikelihood, SoftAccuracy
from palio.score_types.regression import MARE, RMSE, NormalizedRMSE, RelativeRMSE

__all__ = [
    "MARE",
    "OSPA",
    "RMSE",
    "ROCAUC",
    "SCP",
    "Accuracy",
    "AverageDetectionPrecision",
    "BalancedAccuracy",
    "BaseScoreType",
    "BrierScore",
    "BrierScoreReliability",
    "BrierScoreResolution",
    "BrierSkillScore",
    "ClassificationError",
    "ClassifierBaseScoreType",
    "ClusteringEfficiency",
    "Combined",
    "DetectionAveragePrecision",
    "DetectionPrecision",
    "DetectionRecall",
    "DetectionScoreType",
    "ErrorMAREMixed",
    "ErrorMixed",
    "F1Above",
    "MADCenter",
    "MADRadius",
    "MAREMixed",
    "MacroAveragedRecall",
    "MakeCombined",
    "NegativeLogLikelihood",
    "NormalizedGini",
    "NormalizedRMSE",
    "RelativeRMSE",
    "SoftAccuracy",
]
