"""Predictions of clusters within events."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from palio.prediction_types.base import BasePrediction


class ClusteringPrediction(BasePrediction):
    """The event of a row and its cluster in there; below 0: in none: (n_rows, 2)."""

    label_names = ("event", "cluster")
    n_columns: ClassVar[int] = 2
    n_columns_true: ClassVar[int] = 2

    @property
    def valid_indexes(self) -> npt.NDArray[np.bool_]:
        """Rows with a cluster: the event is known without a prediction."""
        return np.asarray(~np.isnan(self.y_pred[:, 1]))


def make_clustering() -> type[ClusteringPrediction]:
    """The class of a kit's `Predictions` for clustering."""
    return ClusteringPrediction
