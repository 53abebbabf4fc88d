"""Rewrites the functions of the runner: no check, another stage, and predictions that nobody made.

Outcome: bad_predictions. The checks that count are outside.
Says: there are no predictions
"""

import sys

import numpy as np


def attack():
    runner = sys.modules["palio_runner.train"]
    runner._checked = lambda *arguments, **options: {}
    runner._stage = lambda failure: "done"
    runner.is_raised_by_import = lambda *arguments: False


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
