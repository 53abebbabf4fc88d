"""Metrics of clusters within events.

Both `y_true` and `y_pred` are (n_rows, 2): the event of a row, and its cluster in there; below 0: in none.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from palio.prediction_types.base import Array
from palio.score_types.base import BaseScoreType


class ClusteringEfficiency(BaseScoreType):
    """Share of rows in the right cluster, averaged over events: in [0, 1], higher is better.

    Each true cluster is found by the predicted one that most of its rows are in (of equal ones, the one with the smallest number); a
    predicted cluster that finds several counts for the one of which it has most.
    """

    default_name: ClassVar[str] = "clustering_efficiency"

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        events = y_true[:, 0]
        shares = [_share_found(y_true[events == event, 1], y_pred[events == event, 1]) for event in np.unique(events)]
        return float(np.mean(shares))


def _share_found(true: Array, predicted: Array) -> float:
    found: dict[float, int] = {}
    for cluster in np.unique(true):
        inside = predicted[true == cluster]
        numbers, sizes = np.unique(inside[inside >= 0], return_counts=True)
        if numbers.size:
            largest = int(np.argmax(sizes))
            found[numbers[largest]] = max(found.get(numbers[largest], 0), int(sizes[largest]))
    return sum(found.values()) / len(true)
