"""The workflow of submissions that define `get_estimator()`."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier

from palio.rows import Rows, take_rows
from palio.workflows.base import Folder, Workflow


class Estimator(Workflow):
    """One element, `estimator.py`, whose `get_estimator()` returns a scikit-learn estimator or pipeline.

    Classifiers are asked for `predict_proba`, (n_rows, n_classes); all others for `predict`, (n_rows,) or (n_rows, n_targets).
    """

    def __init__(self) -> None:
        super().__init__(["estimator"])

    def train_submission(self, module_path: Folder, X: Any, y: Any, train_is: Rows | None = None) -> Any:
        """The fitted estimator."""
        estimator = self.attribute(self.load_element(module_path), "get_estimator")()
        return estimator.fit(take_rows(X, train_is), take_rows(y, train_is))

    def test_submission(self, model: Any, X: Any) -> Any:
        """Probabilities of a classifier, else predictions."""
        return model.predict_proba(X) if is_classifier(model) else model.predict(X)
