"""Iris: which of three species is a flower of?"""

import os
from pathlib import Path

import pandas as pd
from sklearn.model_selection import ShuffleSplit

import palio as rw

problem_title = "Iris classification"

_target = "species"
_labels = ["setosa", "versicolor", "virginica"]

Predictions = rw.prediction_types.make_multiclass(label_names=_labels)
workflow = rw.workflows.Classifier()
score_types = [
    rw.score_types.Accuracy(name="acc"),
    rw.score_types.ClassificationError(name="err"),
    rw.score_types.NegativeLogLikelihood(name="nll"),
    rw.score_types.F1Above(name="f1_70", threshold=0.7),
    rw.score_types.MacroAveragedRecall(name="mar", precision=3),
]


def get_cv(X, y):
    """Two shuffled splits, a fifth of the flowers held out."""
    return ShuffleSplit(n_splits=2, test_size=0.2, random_state=57).split(X, y)


def get_train_data(path="."):
    """Measurements in cm, (n_flowers, 4) float64, and species, (n_flowers,) str."""
    return _read(path, "train.csv")


def get_test_data(path="."):
    """The same of the test set."""
    return _read(path, "test.csv")


def _read(path, name):
    table = pd.read_csv(Path(path) / "data" / name)
    if os.environ.get("RAMP_TEST_MODE") == "1":
        table = table[:30]
    return table.drop(columns=_target).to_numpy(), table[_target].to_numpy(dtype=object)
