"""Digits: which digit does an 8 by 8 picture show?"""

import os
from pathlib import Path

import pandas as pd
from sklearn.model_selection import StratifiedShuffleSplit

import palio as rw

problem_title = "Handwritten digits"

_target = "digit"
_labels = list(range(10))

Predictions = rw.prediction_types.make_multiclass(label_names=_labels)
workflow = rw.workflows.Estimator()
score_types = [
    rw.score_types.Accuracy(name="acc", precision=3),
    rw.score_types.NegativeLogLikelihood(name="nll", precision=3),
]


def get_cv(X, y):
    """Four shuffled splits with equal shares of the digits, a fifth of the pictures held out."""
    n_splits = 2 if _quick() else 4
    return StratifiedShuffleSplit(n_splits=n_splits, test_size=0.2, random_state=57).split(X, y)


def get_train_data(path="."):
    """Brightness of 64 pixels, row by row, 0 to 16: (n_pictures, 64) float64; and digits, (n_pictures,) int64."""
    return _read(path, "train.csv")


def get_test_data(path="."):
    """The same of the test set."""
    return _read(path, "test.csv")


def _read(path, name):
    table = pd.read_csv(Path(path) / "data" / name)
    if _quick():
        table = table[:100]
    return table.drop(columns=_target).to_numpy(dtype=float), table[_target].to_numpy()


def _quick():
    return os.environ.get("RAMP_TEST_MODE") == "1"
