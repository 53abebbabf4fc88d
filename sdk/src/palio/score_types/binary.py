"""Metrics of the second class's probability, for problems with two classes.

All take `y_true`: (n_rows,), 1 where the second class is true, else 0; and `y_pred`: (n_rows,), its probability.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
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

    is_lower_the_better: bool = True
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


class _BinnedBrierScoreType(SecondClassScoreType):
    """A part of the Brier score, with rows in bins of equal probability. Murphy, A new vector partition of the probability score, 1973.

    `bins`: the edges of the bins, the last one's right edge included. A bin stands for the probability in its middle, at most 1.
    """

    def __init__(self, name: str | None = None, precision: int = 3, bins: npt.ArrayLike | None = None) -> None:
        super().__init__(name, precision)
        self.bins = np.arange(0, 1.2, 0.1) if bins is None else np.asarray(bins, dtype=float)
        self.bin_centers = np.clip((self.bins[1:] + self.bins[:-1]) / 2, 0, 1)

    def frequencies(self, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
        """How many rows each bin holds, and the share of them whose second class is true (NaN for none): (n_bins,) each."""
        n_rows = np.histogram(y_pred, self.bins)[0]
        n_true = np.histogram(y_pred[y_true == 1], self.bins)[0]
        return n_rows, np.divide(n_true, n_rows, out=np.full(len(n_rows), np.nan), where=n_rows > 0)


class BrierScoreReliability(_BinnedBrierScoreType):
    """Mean squared difference of a bin's probability and its share of the second class: in [0, 1], 0 if honest, lower is better.

    sum n_k (p_k - o_k)^2 / n, for bins k of n_k rows, middle p_k and observed share o_k.
    """

    is_lower_the_better: bool = True
    default_name: ClassVar[str] = "brier_score_reliability"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        n_rows, observed = self.frequencies(y_true, y_pred)
        return float(np.nansum(n_rows * (self.bin_centers - observed) ** 2)) / len(y_pred)


class BrierScoreResolution(_BinnedBrierScoreType):
    """How far bins' shares of the second class are from the share of all rows: in [0, 1], higher is better.

    sum n_k (o_k - c)^2 / n, by the uncertainty c (1 - c), where c is the share among all rows. NaN when only one class is true.
    """

    default_name: ClassVar[str] = "brier_score_resolution"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        n_rows, observed = self.frequencies(y_true, y_pred)
        climate = float(np.mean(y_true))
        uncertainty = climate * (1 - climate)
        if uncertainty == 0:
            return float("nan")
        return float(np.nansum(n_rows * (observed - climate) ** 2)) / len(y_pred) / uncertainty


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
