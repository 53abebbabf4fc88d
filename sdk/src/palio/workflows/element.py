"""Workflows of one element: a file with a class that is fitted and then asked by one of its methods.

Each kind is a few names; a kit that needs another kind derives its own class from `Element`, and nothing is registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from palio.rows import Rows, n_rows, take_rows
from palio.workflows.base import Folder, Workflow


class Element(Workflow):
    """One file, which defines `class_name`: made without arguments, `fit(X, y)`, then asked by `method_name(X)`.

    In a `Chain`, what an element answers is the X of the next one.
    """

    #: The name of the element, and of its file, where the kit gives no other.
    element_name: ClassVar[str]
    class_name: ClassVar[str]
    method_name: ClassVar[str]
    #: Whether the class may have no `fit`.
    may_lack_fit: ClassVar[bool] = False

    def __init__(self, workflow_element_names: Sequence[str] | None = None) -> None:
        super().__init__([self.element_name] if workflow_element_names is None else workflow_element_names)

    def train_submission(
        self,
        module_path: Folder,
        X: Any,
        y: Any,
        train_is: Rows | None = None,
        prev_trained_model: Any = None,
    ) -> Any:
        """The fitted object. A model trained before is handed to `fit` as its third argument."""
        model = self.attribute(self.load_element(module_path), self.class_name)()
        earlier = () if prev_trained_model is None else (prev_trained_model,)
        if not self.may_lack_fit or hasattr(model, "fit"):
            self.fit(model, self.take(X, train_is), take_rows(y, train_is), *earlier)
        return model

    def test_submission(self, model: Any, X: Any) -> Any:
        """What the object's method says of X."""
        return self.method(model, self.method_name)(X)

    def fit(self, model: Any, X: Any, y: Any, *earlier: Any) -> None:
        """Fit the object to X and y, which hold its training rows only."""
        self.method(model, "fit")(X, y, *earlier)


class Classifier(Element):
    """`classifier.py` with a class `Classifier`: `fit(X, y)`, and `predict_proba(X)`, (n_rows, n_classes).

    Columns are in the order of the kit's labels.
    """

    element_name, class_name, method_name = "classifier", "Classifier", "predict_proba"


class Regressor(Element):
    """`regressor.py` with a class `Regressor`: `fit(X, y)`, and `predict(X)`, (n_rows,) or (n_rows, n_targets)."""

    element_name, class_name, method_name = "regressor", "Regressor", "predict"


class Calibrator(Element):
    """`calibrator.py` with a class `Calibrator`: `fit(probabilities, y)`, and `predict_proba(probabilities)`.

    Both are handed a classifier's probabilities, (n_rows, n_classes), of rows that it was not fitted to.
    """

    element_name, class_name, method_name = "calibrator", "Calibrator", "predict_proba"


class FeatureExtractor(Element):
    """`feature_extractor.py` with a class `FeatureExtractor`: `transform(X)`, a row for each of X; `fit(X, y)` if it learns."""

    element_name, class_name, method_name = "feature_extractor", "FeatureExtractor", "transform"
    may_lack_fit = True

    def test_submission(self, model: Any, X: Any) -> Any:
        """The features, (n_rows, ...); raises ValueError if there are more or fewer rows than in X."""
        # Counted before: the submission may change what it is given.
        expected = self.n_rows(X)
        features = super().test_submission(model, X)
        found = n_rows(features)
        if features is None:
            raise ValueError(f"transform in {self.element_files[0]} must return features; it returned None.")
        if None not in (expected, found) and found != expected:
            raise ValueError(
                f"transform in {self.element_files[0]} must return {expected} rows of features, one for each row; it returned {found}."
            )
        return features


class Clusterer(Element):
    """`clusterer.py` with a class `Clusterer`: `fit(X, y)`, and `predict_single_event(X)`, (n_rows_of_event,) integers.

    X and y are arrays. The first column of both says which event a row belongs to; the second one of y, which cluster of it. `fit` sees
    both; `predict_single_event` is called for each event with its rows, without that column.
    """

    element_name, class_name, method_name = "clusterer", "Clusterer", "predict_single_event"

    def test_submission(self, model: Any, X: Any) -> Any:
        """Event and cluster of each row: (n_rows, 2), int; raises ValueError for an event without a label for each row."""
        predict = self.method(model, self.method_name)
        events = X[:, 0]
        clusters = np.empty(len(X), dtype=int)
        for event in np.unique(events):
            rows = events == event
            labels = np.asarray(predict(X[rows][:, 1:]))
            if labels.shape != (rows.sum(),):
                raise ValueError(
                    f"{self.method_name} in {self.element_files[0]} must return a label for each of {rows.sum()} rows; "
                    f"what it returned has the shape {labels.shape}."
                )
            clusters[rows] = labels
        return np.stack([events, clusters], axis=-1).astype(int)
