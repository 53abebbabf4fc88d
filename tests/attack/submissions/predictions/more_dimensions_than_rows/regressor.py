"""Predicts an array of many dimensions.

Outcome: bad_predictions.
Says: one number a row
"""

import numpy as np


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]

    def predict(self, X):
        honest = np.c_[X, np.ones(len(X))] @ self.coefficients
        return honest.reshape((len(honest),) + (1,) * 20)
