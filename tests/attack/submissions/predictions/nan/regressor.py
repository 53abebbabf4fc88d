"""Predicts NaN, which is neither better nor worse than any number.

Outcome: bad_predictions.
Says: NaN
"""

import numpy as np


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]

    def predict(self, X):
        return np.full(len(X), np.nan)
