"""Computes for ever, in code that never looks for signals.

Outcome: time_limit.
Says: 2 seconds
"""

import numpy as np


def attack():
    sum(iter(int, 1))


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
