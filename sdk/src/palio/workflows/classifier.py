"""The workflow of submissions that define a class `Classifier`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from palio.rows import Rows, take_rows
from palio.workflows.base import Folder, Workflow


class Classifier(Workflow):
    """One element, `classifier.py`, with a class `Classifier` that has `fit(X, y)` and `predict_proba(X)`.

    `predict_proba` returns (n_rows, n_classes), columns in the order of the kit's labels.
    """

    def __init__(self, workflow_element_names: Sequence[str] = ("classifier",)) -> None:
        super().__init__(workflow_element_names)

    def train_submission(
        self,
        module_path: Folder,
        X: Any,
        y: Any,
        train_is: Rows | None = None,
        prev_trained_model: Any = None,
    ) -> Any:
        """The fitted classifier. A model trained before is handed to `fit` as its third argument."""
        classifier = self.attribute(self.load_element(module_path), "Classifier")()
        earlier = () if prev_trained_model is None else (prev_trained_model,)
        classifier.fit(take_rows(X, train_is), take_rows(y, train_is), *earlier)
        return classifier

    def test_submission(self, model: Any, X: Any) -> Any:
        """Probabilities: (n_rows, n_classes)."""
        return model.predict_proba(X)
