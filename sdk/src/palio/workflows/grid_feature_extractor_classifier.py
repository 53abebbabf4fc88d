"""The workflow of fields on a grid, one for each time, and a label for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from palio.rows import Rows, n_rows, positions, take_rows
from palio.workflows.chain import Chain
from palio.workflows.element import Classifier, FeatureExtractor


class GridFeatureExtractor(FeatureExtractor):
    """A feature extractor whose X is an xarray.Dataset or DataArray: its rows are the steps of the first dimension with `time` in its name.

    Of anything else, rows are the first axis, as everywhere.
    """

    def take(self, X: Any, rows: Rows | None) -> Any:
        """The fields at these times."""
        if rows is None or not hasattr(X, "isel"):
            return take_rows(X, rows)
        return X.isel({_time_dimension(X): positions(rows)})

    def n_rows(self, X: Any) -> int | None:
        """The number of times."""
        return int(X.sizes[_time_dimension(X)]) if hasattr(X, "isel") else n_rows(X)


class GridFeatureExtractorClassifier(Chain):
    """`feature_extractor.py`, which makes (n_rows, n_features) of fields (time, y, x), and `classifier.py`."""

    def __init__(self, workflow_element_names: Sequence[str] = ("feature_extractor", "classifier")) -> None:
        extractor, classifier, *files = workflow_element_names
        super().__init__(GridFeatureExtractor([extractor]), Classifier([classifier]), more_files=files)
        self.feature_extractor_workflow, self.classifier_workflow = self.parts


def _time_dimension(X: Any) -> str:
    found = [str(name) for name in X.sizes if "time" in str(name)]
    if not found:
        raise ValueError(f"None of the dimensions of X is a time: {', '.join(map(str, X.sizes))}. The kit must name one so.")
    return found[0]
