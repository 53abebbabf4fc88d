"""Predicts an array of a trillion rows that takes no memory until somebody copies it.

Outcome: memory_limit.
Says: memory
"""

import numpy as np


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]

    def predict(self, X):
        return np.broadcast_to(7e6, (10**12,))
