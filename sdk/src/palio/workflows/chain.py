"""Workflows of several elements, one after the other: each but the last makes the X of the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit

from palio.rows import Rows, take_rows
from palio.workflows.base import Folder, Workflow
from palio.workflows.element import Calibrator, Classifier, FeatureExtractor, Regressor


class Chain(Workflow):
    """Parts that are workflows themselves, mostly of one element: X goes through all of them, and the last one predicts.

    `more_files` are elements that no part loads: data that the code of others reads from beside itself.
    """

    def __init__(self, *parts: Workflow, more_files: Sequence[str] = ()) -> None:
        super().__init__([*(name for part in parts for name in part.element_names), *more_files])
        self.parts = parts

    def train_submission(
        self,
        module_path: Folder,
        X: Any,
        y: Any,
        train_is: Rows | None = None,
        prev_trained_model: Any = None,
    ) -> tuple[Any, ...]:
        """The model of each part. Of models trained before, the last part is handed its own one, and the others none."""
        self.check_files(module_path)
        # The first part knows what rows of X are; whatever it makes of them has ordinary rows.
        X, y = self.parts[0].take(X, train_is), take_rows(y, train_is)
        models = []
        for part in self.parts[:-1]:
            models.append(part.train_submission(module_path, X, y))
            X = part.test_submission(models[-1], X)
        earlier = {} if prev_trained_model is None else {"prev_trained_model": prev_trained_model[-1]}
        return (*models, self.parts[-1].train_submission(module_path, X, y, **earlier))

    def test_submission(self, model: tuple[Any, ...], X: Any) -> Any:
        """What the last part predicts."""
        for part, own in zip(self.parts, model):
            X = part.test_submission(own, X)
        return X


class FeatureExtractorClassifier(Chain):
    """`feature_extractor.py` and `classifier.py`. Further names are files of data, such as `external_data.csv`."""

    def __init__(self, workflow_element_names: Sequence[str] = ("feature_extractor", "classifier")) -> None:
        extractor, classifier, *files = workflow_element_names
        super().__init__(FeatureExtractor([extractor]), Classifier([classifier]), more_files=files)
        self.feature_extractor_workflow, self.classifier_workflow = self.parts


class FeatureExtractorRegressor(Chain):
    """`feature_extractor.py` and `regressor.py`. Further names are files of data, such as `external_data.csv`."""

    def __init__(self, workflow_element_names: Sequence[str] = ("feature_extractor", "regressor")) -> None:
        extractor, regressor, *files = workflow_element_names
        super().__init__(FeatureExtractor([extractor]), Regressor([regressor]), more_files=files)
        self.feature_extractor_workflow, self.regressor_workflow = self.parts


class AirPassengers(FeatureExtractorRegressor):
    """A feature extractor and a regressor, with `external_data.csv` beside them."""

    def __init__(self, workflow_element_names: Sequence[str] = ("feature_extractor", "regressor", "external_data.csv")) -> None:
        super().__init__(workflow_element_names)


class FeatureExtractorClassifierCalibrator(Chain):
    """`feature_extractor.py`, `classifier.py` and `calibrator.py`.

    The classifier is fitted to nine tenths of the training rows, the calibrator to its probabilities of the others, so that it
    sees how sure the classifier is of rows that it does not know. The split keeps the shares of the classes and is always the same.
    """

    def __init__(self, workflow_element_names: Sequence[str] = ("feature_extractor", "classifier", "calibrator")) -> None:
        extractor, classifier, calibrator, *files = workflow_element_names
        super().__init__(FeatureExtractor([extractor]), Classifier([classifier]), Calibrator([calibrator]), more_files=files)

    def train_submission(
        self,
        module_path: Folder,
        X: Any,
        y: Any,
        train_is: Rows | None = None,
        prev_trained_model: Any = None,
    ) -> tuple[Any, ...]:
        """Feature extractor, classifier and calibrator, fitted. Of models trained before, the classifier is handed its own one."""
        self.check_files(module_path)
        extractor, classifier, calibrator = self.parts
        X, y = extractor.take(X, train_is), take_rows(y, train_is)
        # The split of the RAMP manual's workflow of this kind.
        split = StratifiedShuffleSplit(n_splits=1, test_size=0.1, random_state=57)
        rest, held_out = next(split.split(np.zeros(len(y)), y))
        extracting = extractor.train_submission(module_path, X, y)
        features = extractor.test_submission(extracting, X)
        earlier = {} if prev_trained_model is None else {"prev_trained_model": prev_trained_model[1]}
        classifying = classifier.train_submission(module_path, features, y, rest, **earlier)
        probabilities = classifier.test_submission(classifying, take_rows(features, held_out))
        return extracting, classifying, calibrator.train_submission(module_path, probabilities, take_rows(y, held_out))
