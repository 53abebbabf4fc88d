"""The problem that is attacked: numbers to be predicted, each label a number of its own, so that any that leaks is known.

Of its own classes, so that a sandbox is ready in a fraction of a second.
"""

import csv
import importlib.util
from pathlib import Path

import numpy as np

problem_title = "Attacked"


class Predictions:
    """One number a row."""

    def __init__(self, y_pred=None, y_true=None, n_samples=None, fold_is=None):
        values = np.full(n_samples, np.nan) if n_samples is not None else np.array(y_true if y_pred is None else y_pred)
        self.y_pred = values if fold_is is None else values[fold_is]
        if self.y_pred.ndim != 1:
            raise ValueError(f"one number a row is needed, not the shape {self.y_pred.shape}")

    @property
    def valid_indexes(self):
        return ~np.isnan(self.y_pred)

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
    """One file with a class `Regressor`."""

    element_names = ["regressor"]

    def train_submission(self, module_path, X, y, train_is=None):
        spec = importlib.util.spec_from_file_location("regressor", Path(module_path, "regressor.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        model = module.Regressor()
        model.fit(X[train_is], y[train_is])
        return model

    def test_submission(self, model, X):
        return model.predict(X)


class RMSE:
    name, precision, is_lower_the_better, minimum, maximum = "rmse", 3, True, 0.0, float("inf")

    def score_function(self, truths, predictions):
        return float(np.sqrt(np.mean((truths.y_pred - predictions.y_pred) ** 2)))


class MAE(RMSE):
    name = "mae"

    def score_function(self, truths, predictions):
        return float(np.mean(np.abs(truths.y_pred - predictions.y_pred)))


workflow = Workflow()
score_types = [RMSE(), MAE()]


def get_cv(X, y):
    rows = np.arange(len(y))
    return [(rows[rows % 2 != fold], rows[rows % 2 == fold]) for fold in range(2)]


def _read(path, name):
    with Path(path, "data", name).open() as file:
        # The first column is a note that nobody needs.
        table = np.array([row[1:] for row in csv.reader(file)], dtype=float)
    return table[:, :-1], table[:, -1]


def get_train_data(path="."):
    return _read(path, "train.csv")


def get_test_data(path="."):
    return _read(path, "test.csv")
