"""Metrics, under the names that RAMP's kits use.

Where they differ from ramp-workflow 0.7: the default `name` of MacroAveragedRecall, RelativeRMSE and NormalizedRMSE is
their own instead of another metric's, and the `minimum` of an adjusted BalancedAccuracy is -1, which it can reach.
"""

from palio.score_types.base import BaseScoreType, ClassifierBaseScoreType
from palio.score_types.binary import ROCAUC, BrierScore, BrierSkillScore, NormalizedGini
from palio.score_types.labels import Accuracy, BalancedAccuracy, ClassificationError, F1Above, MacroAveragedRecall
from palio.score_types.probabilities import NegativeLogLikelihood, SoftAccuracy
from palio.score_types.regression import MARE, RMSE, NormalizedRMSE, RelativeRMSE

__all__ = [
    "MARE",
    "RMSE",
    "ROCAUC",
    "Accuracy",
    "BalancedAccuracy",
    "BaseScoreType",
    "BrierScore",
    "BrierSkillScore",
    "ClassificationError",
    "ClassifierBaseScoreType",
    "F1Above",
    "MacroAveragedRecall",
    "NegativeLogLikelihood",
    "NormalizedGini",
    "NormalizedRMSE",
    "RelativeRMSE",
    "SoftAccuracy",
]
