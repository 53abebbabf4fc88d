from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palio.workflows import Classifier, Estimator

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
