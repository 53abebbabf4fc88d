"""The workflow of a class and a number at once, the number foretold from the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from palio.rows import Rows, take_rows
from palio.workflows.base import Folder, Workflow
from palio.workflows.chain import FeatureExtractorClassifier, FeatureExtractorRegressor


class DrugSpectra(Workflow):
    """Two feature extractors, a classifier and a regressor.

    X is a data frame; y is (n_rows, 2): a label and a number. The second feature extractor gets X with a column for each label,
    in the order of the sorted labels: while training 1.0 for a row's own label and 0.0 for others, afterwards the classifier's
    probabilities. Folds must hold every label among their training rows.
    """

    def __init__(
        self,
        workflow_element_names: Sequence[str] = ("feature_extractor_clf", "classifier", "feature_extractor_reg", "regressor"),
    ) -> None:
        super().__init__(workflow_element_names)
        self.feature_extractor_classifier_workflow = FeatureExtractorClassifier(self.element_names[:2])
        self.feature_extractor_regressor_workflow = FeatureExtractorRegressor(self.element_names[2:])

    def train_submission(self, module_path: Folder, X: Any, y: Any, train_is: Rows | None = None) -> tuple[Any, ...]:
        """The sorted labels and the two pairs of feature extractor and predictor."""
        self.check_files(module_path)
        labels = np.unique(y[:, 0])
        X, y = take_rows(X, train_is), take_rows(y, train_is)
        classifying = self.feature_extractor_classifier_workflow.train_submission(module_path, X, y[:, 0])
        known = np.equal.outer(y[:, 0], labels).astype(float)
        regressing = self.feature_extractor_regressor_workflow.train_submission(
            module_path, _with_columns(X, labels, known), y[:, 1].astype(float)
        )
        return labels, classifying, regressing

    def test_submission(self, model: tuple[Any, ...], X: Any) -> npt.NDArray[Any]:
        """Probabilities of the labels and the number: (n_rows, n_labels + 1)."""
        labels, classifying, regressing = model
        probabilities = self.feature_extractor_classifier_workflow.test_submission(classifying, X)
        if np.shape(probabilities) != (len(X), len(labels)):
            raise ValueError(
                f"predict_proba in {self.element_files[1]} must return a column for each of {', '.join(map(str, labels))} and a row "
                f"for each of {len(X)} rows; it returned the shape {np.shape(probabilities)}."
            )
        numbers = self.feature_extractor_regressor_workflow.test_submission(
            regressing, _with_columns(X, labels, np.asarray(probabilities))
        )
        return np.concatenate([probabilities, np.reshape(numbers, (-1, 1))], axis=1)


def _with_columns(X: Any, labels: npt.NDArray[Any], values: npt.NDArray[Any]) -> Any:
    """A copy of X with these columns added: `values` is (n_rows, n_labels)."""
    wider = X.copy()
    for column, label in enumerate(labels):
        wider[label] = values[:, column]
    return wider
