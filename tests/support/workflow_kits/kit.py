"""What the small kits are made of: pieces of `problem.py`, elements of submissions, and `Kit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HEAD = """
import os

import numpy as np
import pandas as pd
import palio as rw
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedShuffleSplit, TimeSeriesSplit

problem_title = "A kit for a test"


def get_train_data(path="."):
    return read(path, 0, 60)


def get_test_data(path="."):
    return read(path, 1, 20)

"""
CLASSES = """
Predictions = rw.prediction_types.make_multiclass(label_names=["high", "low"])
score_types = [rw.score_types.NegativeLogLikelihood(name="nll")]


def get_cv(X, y):
    return StratifiedShuffleSplit(n_splits=2, test_size=0.3, random_state=1).split(np.zeros(len(y)), y)

"""
NUMBERS = """
Predictions = rw.prediction_types.make_regression()
score_types = [rw.score_types.RMSE(name="rmse")]


def get_cv(X, y):
    return KFold(2).split(np.zeros(len(y)))

"""
FRAME = """
def frame(seed, n):
    random = np.random.RandomState(seed)
    X = pd.DataFrame(random.normal(size=(n, 3)), columns=["a", "b", "c"], index=[f"row{i}" for i in range(n)])
    return X, X["a"].to_numpy() - 2 * X["b"].to_numpy() + random.normal(0, 0.3, size=n)


def words(numbers):
    return np.where(numbers > 0, "high", "low")

"""
READ_CLASSES = """
def read(path, seed, n):
    X, numbers = frame(seed, n)
    return X, words(numbers)

"""
READ_NUMBERS = """
def read(path, seed, n):
    return frame(seed, n)

"""

FEATURE_EXTRACTOR_FILE = """
import numpy as np

class FeatureExtractor:
    def fit(self, X_df, y):
        self.mean = X_df.mean()

    def transform(self, X_df):
        centred = (X_df - self.mean).to_numpy()
        return np.column_stack([centred, centred ** 2])
"""
CLASSIFIER_FILE = """
from sklearn.linear_model import LogisticRegression

class Classifier(LogisticRegression):
    pass
"""
REGRESSOR_FILE = """
from sklearn.linear_model import Ridge

class Regressor(Ridge):
    pass
"""


@dataclass(frozen=True)
class Kit:
    """A kit's files. `needs` names a library without which it cannot run; `is_ramps`: ramp-workflow has its workflow, too."""

    problem: str
    submission: Mapping[str, str]
    data: Mapping[str, bytes] = field(default_factory=dict)
    needs: str | None = None
    is_ramps: bool = True

    def write(self, folder: Path, library: str = "palio") -> Path:
        """Write the kit for this library, with its submission `starting_kit`."""
        files = {"problem.py": self.problem.replace("import palio as rw", f"import {library} as rw").encode(), **self.data}
        files |= {
            f"submissions/starting_kit/{name}": text.replace("LIBRARY", library).encode()
            for name, text in self.submission.items()
        }
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder
