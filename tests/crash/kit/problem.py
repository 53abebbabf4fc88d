"""The problem whose scores are known beforehand: a submission names a number, and its score is that number.

So whoever checks a platform from outside knows what must stand on the board. Of its own classes: a sandbox is ready quickly.
"""

import os

import numpy as np

problem_title = "Known beforehand"


class Predictions:
    """One number a row."""

    def __init__(self, y_pred=None, y_true=None, n_samples=None, fold_is=None):
        values = np.full(n_samples, np.nan) if n_samples is not None else np.array(y_true if y_pred is None else y_pred)
        self.y_pred = values if fold_is is None else values[fold_is]

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
    """One file, `number.py`, with a function `train` that returns the number."""

    element_names = ["number"]

    def train_submission(self, module_path, X, y, train_is=None):
        path = os.path.join(module_path, "number.py")
        namespace = {"__name__": "number", "__file__": path}
        with open(path) as file:
            exec(compile(file.read(), path, "exec"), namespace)
        return namespace["train"]()

    def test_submission(self, number, X):
        return np.full(len(X), float(number))


class Mean:
    name, precision, is_lower_the_better, minimum, maximum = "mean", 6, False, float("-inf"), float("inf")

    def score_function(self, truths, predictions):
        return float(np.mean(predictions.y_pred))


workflow = Workflow()
score_types = [Mean()]


def get_cv(X, y):
    rows = np.arange(len(y))
    return [(rows[rows % 3 != fold], rows[rows % 3 == fold]) for fold in range(3)]


def get_train_data(path="."):
    return np.arange(30.0).reshape(-1, 1), np.arange(30.0)


def get_test_data(path="."):
    return np.arange(9.0).reshape(-1, 1), np.arange(9.0)
