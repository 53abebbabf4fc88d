"""Workflows of submissions that define `get_estimator()`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn.base import is_classifier

from palio.rows import Rows, take_rows
from palio.workflows.base import Folder, Workflow


class SKLearnPipeline(Workflow):
    """The file `filename`, whose `get_estimator()` returns a scikit-learn estimator or pipeline.

    Classifiers are asked for `predict_proba`, (n_rows, n_classes); all others for `predict`, (n_rows,) or (n_rows, n_targets).
    `additional_filenames` are further elements, data or modules, which the file reads from beside itself.
    """

    def __init__(self, filename: str = "estimator.py", additional_filenames: Sequence[str] | None = None) -> None:
        super().__init__([Path(filename).stem, *(additional_filenames or ())])
        self.filename = filename

    def train_submission(self, module_path: Folder, X: Any, y: Any, train_is: Rows | None = None) -> Any:
        """The fitted estimator."""
        estimator = self.attribute(self.load_element(module_path), "get_estimator")()
        return self.method(estimator, "fit")(self.take(X, train_is), take_rows(y, train_is))

    def test_submission(self, model: Any, X: Any) -> Any:
        """Probabilities of a classifier, else predictions."""
        return self.method(model, "predict_proba" if is_classifier(model) else "predict")(X)


class Estimator(SKLearnPipeline):
    """One element, `estimator.py`."""

    def __init__(self) -> None:
        super().__init__()


class EstimatorExternalData(SKLearnPipeline):
    """`estimator.py`, and `external_data.csv`, which it reads from beside itself."""

    def __init__(self) -> None:
        super().__init__(additional_filenames=["external_data.csv"])
