"""Asks Python to end, as a program would that is done.

Outcome: crashed.
Says: ended the process
"""

import sys

import numpy as np


def attack():
    sys.exit(0)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
