"""Workflows of a series in time and a number for each of its times.

X is an xarray.Dataset or DataArray along `time`, or a data frame with a row a time; it is longer than y by a burn-in at its
beginning, `X.attrs["n_burn_in"]` times without a row of y, so that the features of the first rows can look back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from palio.rows import Rows, positions
from palio.workflows.chain import Chain
from palio.workflows.element import FeatureExtractor, Regressor
from palio.workflows.look_ahead import checked_features
from palio.workflows.series import between, burn_in, n_times


class TimeSeriesFeatureExtractor(FeatureExtractor):
    """`ts_feature_extractor.py` with a class `FeatureExtractor`: `transform(X)`, a row for each of y's; `fit(X, y)` if it learns.

    Each time that features are made, it is checked whether they look ahead: X is cut to `check_sizes` rows and changed from
    the `check_indexs` on, pair by pair, and `n_random_checks` times at a random row of the whole. Each pair costs two more calls
    of `transform` for so many rows, each random check one for all.
    """

    element_name = "ts_feature_extractor"

    def __init__(
        self,
        check_sizes: Sequence[int],
        check_indexs: Sequence[int],
        workflow_element_names: Sequence[str] | None = None,
        n_random_checks: int = 1,
    ) -> None:
        super().__init__(workflow_element_names)
        self.check_sizes = check_sizes
        self.check_indexs = check_indexs
        self.n_random_checks = n_random_checks

    def take(self, X: Any, rows: Rows | None) -> Any:
        """The times of these rows of y and the burn-in before them; raises ValueError unless rows are consecutive."""
        if rows is None:
            return X
        numbers = np.arange(self.n_rows(X))[positions(rows)]
        if not numbers.size or (np.diff(numbers) != 1).any():
            raise ValueError("The training rows of a time series must be consecutive: a series with gaps is another one.")
        return between(X, int(numbers[0]), int(numbers[-1]) + 1 + burn_in(X))

    def n_rows(self, X: Any) -> int:
        """The number of times after the burn-in."""
        return n_times(X) - burn_in(X)

    def test_submission(self, model: Any, X: Any) -> Any:
        """The features, (n_times - n_burn_in, ...); raises ValueError if they look ahead, or are more or fewer rows."""
        extract = super().test_submission
        checks = zip(self.check_sizes, self.check_indexs)
        return checked_features(lambda series: extract(model, series), X, checks, self.n_random_checks)


class ElNino(Chain):
    """`ts_feature_extractor.py`, which may not look ahead, and `regressor.py`."""

    def __init__(
        self,
        check_sizes: Sequence[int],
        check_indexs: Sequence[int],
        workflow_element_names: Sequence[str] = ("ts_feature_extractor", "regressor"),
        n_random_checks: int = 1,
    ) -> None:
        extractor, regressor, *files = workflow_element_names
        first = TimeSeriesFeatureExtractor(check_sizes, check_indexs, [extractor], n_random_checks)
        super().__init__(first, Regressor([regressor]), more_files=files)
        self.ts_feature_extractor_workflow, self.regressor_workflow = self.parts
