"""Kits for tests, as archives: one that needs nothing but numpy, and others in every form that RAMP's kits take."""

from collections.abc import Mapping
from pathlib import Path

from shared.artefacts.archives import pack_files

#: A kit of its own classes: importing it takes a tenth of a second, so that tests of what submissions do are quick.
TINY = b"""
import csv
import os

import numpy as np

problem_title = "Tiny"


class Predictions:
    n_columns = 2

    def __init__(self, y_pred=None, y_true=None, n_samples=None, fold_is=None):
        if y_pred is not None:
            self.y_pred = np.array(y_pred if fold_is is None else np.asarray(y_pred)[fold_is])
        elif y_true is not None:
            labels = np.asarray(y_true) if fold_is is None else np.asarray(y_true)[fold_is]
            self.y_pred = np.eye(2)[labels.astype(int)]
        else:
            self.y_pred = np.full((n_samples, 2), np.nan)
        if self.y_pred.ndim != 2 or self.y_pred.shape[1] != 2:
            raise ValueError(f"y_pred should have 2 columns, its shape is {self.y_pred.shape}")

    @property
    def valid_indexes(self):
        return ~np.isnan(self.y_pred[:, 0])

    def set_valid_in_train(self, predictions, rows):
        self.y_pred[rows] = predictions.y_pred

    def set_slice(self, rows):
        self.y_pred = self.y_pred[rows]

    @classmethod
    def combine(cls, predictions, index_list=None):
        stacked = np.array([each.y_pred for each in predictions])
        counts = (~np.isnan(stacked)).sum(axis=0)
        return cls(y_pred=np.where(counts, np.nansum(stacked, axis=0) / np.maximum(counts, 1), np.nan))


class Workflow:
    element_names = ["classifier"]

    def train_submission(self, module_path, X, y, train_is=None):
        path = os.path.join(module_path, "classifier.py")
        namespace = {"__name__": "classifier", "__file__": path}
        exec(compile(open(path).read(), path, "exec"), namespace)
        model = namespace["Classifier"]()
        model.fit(X[train_is], y[train_is])
        return model

    def test_submission(self, model, X):
        return model.predict_proba(X)


class Accuracy:
    name, precision, is_lower_the_better, minimum, maximum = "acc", 2, False, 0.0, 1.0

    def score_function(self, truths, predictions):
        return float((truths.y_pred.argmax(axis=1) == predictions.y_pred.argmax(axis=1)).mean())


class Unbounded(Accuracy):
    name, maximum = "odds", float("inf")


workflow = Workflow()
score_types = [Accuracy(), Unbounded()]


def get_cv(X, y):
    rows = np.arange(len(y))
    return [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]


def _read(path, name):
    rows = list(csv.reader(open(os.path.join(path, "data", name))))
    numbers = np.array(rows, dtype=float)
    return numbers[:, :2], numbers[:, 2].astype(int)


def get_train_data(path="."):
    return _read(path, "train.csv")


def get_test_data(path="."):
    return _read(path, "test.csv")
"""

CLASSIFIER = """
import numpy as np


class Classifier:
    def fit(self, X, y):
        {fit}

    def predict_proba(self, X):
        {predict}
"""


def classifier(fit: str = "pass", predict: str = "return np.eye(2)[(X[:, 0] > 0).astype(int)]", head: str = "") -> bytes:
    return (head + CLASSIFIER.format(fit=fit, predict=predict)).encode()


def rows(n: int) -> bytes:
    """`x0,x1,label` lines: the label says whether x0 is positive, but for every seventh."""
    lines = []
    for i in range(n):
        x0 = ((i * 37) % 20 - 10) / 10 + 0.05
        label = int(x0 > 0) if i % 7 else int(x0 <= 0)
        lines.append(f"{x0},{i},{label}")
    return "\n".join(lines).encode()


def tiny_kit(folder: Path, replace: Mapping[str, bytes] | None = None, n_train: int = 60, n_test: int = 21) -> Path:
    """The tiny kit as an archive; `replace` gives other or further files."""
    files = {
        "problem.py": TINY,
        "submissions/starting_kit/classifier.py": classifier(),
        "data/train.csv": rows(n_train),
        "data/test.csv": rows(n_test),
        **(replace or {}),
    }
    archive = folder / "kit.tar"
    archive.write_bytes(pack_files(files))
    return archive
