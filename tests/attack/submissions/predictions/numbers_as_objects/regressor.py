"""Predicts an array of objects, each of which is a number.

Outcome: trained. Numbers are taken, whatever holds them.
Scores: as the starter
"""

import numpy as np


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]

    def predict(self, X):
        honest = np.c_[X, np.ones(len(X))] @ self.coefficients
        return np.array([float(value) for value in honest], dtype=object)
