from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from palio.rows import take_rows
from palio.workflows import (
    Chain,
    Classifier,
    Clusterer,
    DrugSpectra,
    Element,
    Estimator,
    EstimatorExternalData,
    FeatureExtractor,
    FeatureExtractorClassifier,
    FeatureExtractorClassifierCalibrator,
    FeatureExtractorRegressor,
    GridFeatureExtractorClassifier,
)
from tests.support.workflow_kits import KITS

X = pd.DataFrame({"a": [0.0, 0.1, 5.0, 5.1, 0.2, 4.9]})
Y = np.array([0, 0, 1, 1, 0, 1])


def _write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder


def test_an_estimator_that_classifies_is_asked_for_probabilities(tmp_path: Path) -> None:
    _write(
        tmp_path, "estimator.py", "from sklearn.naive_bayes import GaussianNB\ndef get_estimator():\n    return GaussianNB()\n"
    )
    model = Estimator().train_submission(str(tmp_path), X, Y, train_is=[0, 1, 2, 3])
    assert Estimator().test_submission(model, X).shape == (6, 2)


def test_an_estimator_that_does_not_classify_is_asked_for_predictions(tmp_path: Path) -> None:
    source = "from sklearn.linear_model import LinearRegression\ndef get_estimator():\n    return LinearRegression()\n"
    model = Estimator().train_submission(_write(tmp_path, "estimator.py", source), X, Y)
    assert Estimator().test_submission(model, X).shape == (6,)


def test_a_classifier_sees_only_the_rows_of_its_fold(tmp_path: Path) -> None:
    source = """
class Classifier:
    def fit(self, X, y, earlier=None):
        self.seen = (X["a"].tolist(), y.tolist(), earlier)

    def predict_proba(self, X):
        return len(X)
"""
    workflow, folder = Classifier(), _write(tmp_path, "classifier.py", source)
    model = workflow.train_submission(folder, X, Y, np.array([5, 0]))
    assert model.seen == ([4.9, 0.0], [1, 0], None)
    assert workflow.test_submission(model, X) == 6
    assert workflow.train_submission(folder, X, Y, [0], prev_trained_model=model).seen[2] is model


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file classifier.py; this workflow needs: classifier.py"):
        Classifier().train_submission(tmp_path, X, Y)


def test_a_missing_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match=r"classifier.py must define Classifier"):
        Classifier().train_submission(_write(tmp_path, "classifier.py", "class Clasifier: ..."), X, Y)


def test_an_element_may_hold_dataclasses_and_stays_out_of_the_modules(tmp_path: Path) -> None:
    source = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar

@dataclass
class Classifier:
    depth: ClassVar[int] = 3

    def fit(self, X, y): ...
    def predict_proba(self, X): ...
"""
    assert Classifier().train_submission(_write(tmp_path, "classifier.py", source), X, Y).depth == 3
    assert "classifier" not in sys.modules


def test_files_of_other_kinds_keep_their_names() -> None:
    assert Classifier(["classifier", "external_data.csv"]).element_files == ["classifier.py", "external_data.csv"]


class Scorer(Element):
    """An element type of a kit's own."""

    element_name, class_name, method_name = "scorer", "Scorer", "score"


EXTRACTOR = """
class FeatureExtractor:
    def transform(self, X):
        return X
"""
SCORER = """
class Scorer:
    def fit(self, X, y, earlier=None):
        self.seen = X["a"].tolist(), y.tolist(), earlier

    def score(self, X):
        return 2 * X["a"].to_numpy()
"""


def test_a_new_element_type_and_workflow_are_a_class_of_the_kit(tmp_path: Path) -> None:
    workflow = Chain(FeatureExtractor(), Scorer(["judge"]), more_files=["words.txt"])
    assert workflow.element_files == ["feature_extractor.py", "judge.py", "words.txt"]
    _write(_write(_write(tmp_path, "judge.py", SCORER), "feature_extractor.py", EXTRACTOR), "words.txt", "")
    model = workflow.train_submission(tmp_path, X, Y, [0, 2])
    assert model[1].seen == ([0.0, 5.0], [0, 1], None)
    assert workflow.test_submission(model, X).tolist() == (2 * X["a"]).tolist()
    assert workflow.train_submission(tmp_path, X, Y, [0], prev_trained_model=model)[1].seen[2] is model[1]


def test_the_parts_of_a_chain_have_the_names_that_kits_know() -> None:
    workflow = FeatureExtractorRegressor()
    assert workflow.feature_extractor_workflow.element_names == ["feature_extractor"]
    assert workflow.regressor_workflow.element_names == ["regressor"]


def test_every_missing_file_is_named_before_anything_runs(tmp_path: Path) -> None:
    _write(tmp_path, "estimator.py", "raise AssertionError")
    with pytest.raises(FileNotFoundError, match=r"no file external_data.csv; this workflow needs: estimator.py, external_data"):
        EstimatorExternalData().train_submission(tmp_path, X, Y)
    with pytest.raises(FileNotFoundError, match=r"no file feature_extractor.py, regressor.py; this workflow needs"):
        FeatureExtractorRegressor().train_submission(tmp_path, X, Y)
    with pytest.raises(
        FileNotFoundError, match=r"no file feature_extractor_clf.py, classifier.py, feature_extractor_reg.py, reg"
    ):
        DrugSpectra().train_submission(tmp_path, X, Y)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("class Classifier:\n    def predict_proba(self, X): ...", "Classifier in classifier.py must have a method fit"),
        ("class Classifier:\n    def fit(self, X, y): ...", "Classifier in classifier.py must have a method predict_proba"),
        # What scikit-learn says of its reason is passed on.
        ("from sklearn.svm import LinearSVC\nclass Classifier(LinearSVC): ...", "has no attribute 'predict_proba'"),
        ("class Classifier:\n    def __init__(self, depth): ...", "missing 1 required positional argument: 'depth'"),
    ],
)
def test_a_missing_method_is_named(tmp_path: Path, source: str, words: str) -> None:
    _write(tmp_path, "classifier.py", source)
    with pytest.raises((AttributeError, TypeError), match=words):
        Classifier().test_submission(Classifier().train_submission(tmp_path, X, Y), X)


def test_an_error_within_fit_is_not_taken_for_a_missing_fit(tmp_path: Path) -> None:
    _write(tmp_path, "feature_extractor.py", EXTRACTOR + "    def fit(self, X, y):\n        self.nothing\n")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        FeatureExtractor().train_submission(tmp_path, X, Y)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("X[1:]", r"transform in feature_extractor.py must return 6 rows of features, one for each row; it returned 5\."),
        ("X.to_numpy().T", "it returned 1"),
        ("[1, 2, 3]", "it returned 3"),
        ("None", "must return features; it returned None"),
    ],
)
def test_features_of_another_number_of_rows_are_told_of(tmp_path: Path, returned: str, words: str) -> None:
    _write(tmp_path, "feature_extractor.py", EXTRACTOR.replace("return X", f"return {returned}"))
    _write(tmp_path, "classifier.py", "class Classifier: ...")
    with pytest.raises(ValueError, match=words):
        FeatureExtractorClassifier().train_submission(tmp_path, X, Y)


def test_the_calibrator_sees_rows_that_the_classifier_does_not_know(tmp_path: Path) -> None:
    folder = KITS["calibrator"].write(tmp_path) / "submissions" / "starting_kit"
    many = pd.DataFrame({"a": np.linspace(-1, 1, 40)})
    extractor, classifier, calibrator = FeatureExtractorClassifierCalibrator().train_submission(
        folder, many, np.array(["low"] * 20 + ["high"] * 20), range(38)
    )
    assert calibrator.n_seen == 4
    assert classifier.n_features_in_ == 2
    assert extractor.mean["a"] == many["a"][:38].mean()


def test_probabilities_for_too_few_classes_are_told_of(tmp_path: Path) -> None:
    folder = KITS["drug_spectra"].write(tmp_path) / "submissions" / "starting_kit"
    wide = pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=["a", "b", "c"])
    y = np.array([["high", 1.0], ["low", 2.0], ["high", 3.0], ["middle", 4.0]], dtype=object)
    model = DrugSpectra().train_submission(folder, wide, y, [0, 1, 2])
    with pytest.raises(ValueError, match=r"column for each of high, low, middle and a row for each of 4 rows; .* \(4, 2\)"):
        DrugSpectra().test_submission(model, wide)


def test_an_event_with_too_few_labels_is_told_of() -> None:
    class Lazy:
        def predict_single_event(self, event: Any) -> list[int]:
            return [0] * (len(event) - 1)

    with pytest.raises(
        ValueError, match=r"predict_single_event in clusterer.py must return a label for each of 2 rows; .*\(1,\)"
    ):
        Clusterer().test_submission(Lazy(), np.array([[1, 0.5], [1, 0.6]]))


def test_a_grid_may_be_a_plain_array(tmp_path: Path) -> None:
    extractor = "class FeatureExtractor:\n    def transform(self, X):\n        return X.reshape(len(X), -1)\n"
    _write(_write(tmp_path, "feature_extractor.py", extractor), "classifier.py", KITS["grid"].submission["classifier.py"])
    fields = np.arange(24.0).reshape(6, 2, 2)
    model = GridFeatureExtractorClassifier().train_submission(tmp_path, fields, Y, [0, 1, 2, 3])
    assert GridFeatureExtractorClassifier().test_submission(model, take_rows(fields, [4, 5])).shape == (2, 2)
