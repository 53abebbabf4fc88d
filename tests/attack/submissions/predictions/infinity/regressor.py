"""Predicts infinity in one row.

Outcome: bad_predictions.
Says: infinity
"""

import numpy as np


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]

    def predict(self, X):
        honest = np.c_[X, np.ones(len(X))] @ self.coefficients
        honest[0] = np.inf
        return honest
