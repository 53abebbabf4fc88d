"""Calls itself until the interpreter's stack is at its end.

Outcome: train_error.
Says: RecursionError
"""

import numpy as np


def attack():
    attack()


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
