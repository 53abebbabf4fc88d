"""Predicts text.

Outcome: bad_predictions.
Says: numbers are needed
"""

import numpy as np


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]

    def predict(self, X):
        return np.full(len(X), "seven million")
