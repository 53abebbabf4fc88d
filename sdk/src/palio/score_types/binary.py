"""Metrics of the second class's probability, for problems with two classes.

All take `y_true`: (n_rows,), 1 where the second class is true, else 0; and `y_pred`: (n_rows,), its probability.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import brier_score_loss, roc_auc_score

from palio.prediction_types.base import Array
from palio.score_types.base import SecondClassScoreType


class ROCAUC(SecondClassScoreType):
    """Probability that a row of the second class is ranked above one of the first: in [0, 1], chance 0.5, higher is better.

    Area under the receiver operating characteristic, `sklearn.metrics.roc_auc_score`. NaN when only one class is true.
    """

    default_name: ClassVar[str] = "roc_auc"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return float(roc_auc_score(y_true, y_pred))


class BrierScore(SecondClassScoreType):
    """Mean squared difference of probability and truth: in [0, 1], lower is better. `sklearn.metrics.brier_score_loss`.

    Brier, Verification of forecasts expressed in terms of probability, 1950.
    """

    is_lower_the_better: ClassVar[bool] = True
    default_name: ClassVar[str] = "brier_score"

    def __init__(self, name: str | None = None, precision: int = 3) -> None:
        super().__init__(name, precision)

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        return float(brier_score_loss(y_true, y_pred))


class BrierSkillScore(SecondClassScoreType):
    """1 - b / c, where b is the Brier score and c that of always giving the class's share: at most 1, chance 0, higher is better.

    Worse than -1 is possible; `minimum` is the -1 that RAMP names.
    """

    minimum = -1.0
    default_name: ClassVar[str] = "brier_skill_score"

    def __init__(self, name: str | None = None, precision: int = 3) -> None:
        super().__init__(name, precision)

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        climate = np.full(len(y_true), np.mean(y_true))
        return 1 - float(brier_score_loss(y_true, y_pred)) / float(brier_score_loss(y_true, climate))


class NormalizedGini(SecondClassScoreType):
    """Gini coefficient of the truth in the order of the predictions, by that of the best order: in [-1, 1], higher is better.

    With rows sorted by falling prediction, equal ones as they came, and L(i) the share of the truth's sum in the first i of
    n rows: gini = sum L(i) / n - (n + 1) / (2 n). With more than two classes the index of the class is what is summed,
    as RAMP does. NaN when all truths are of the first class, or all are the same.
    """

    minimum = -1.0
    default_name: ClassVar[str] = "normalized_gini"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        truth = np.asarray(y_true, dtype=float)
        best = _gini(truth, truth)
        return _gini(truth, np.asarray(y_pred)) / best if best else float("nan")


def _gini(truth: Array, order: Array) -> float:
    total = truth.sum()
    if not total:
        return 0.0
    n_rows = len(truth)
    shares = truth[np.argsort(-order, kind="stable")].cumsum() / total
    return float(shares.sum() - (n_rows + 1) / 2) / n_rows
