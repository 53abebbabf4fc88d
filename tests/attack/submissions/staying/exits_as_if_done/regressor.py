"""Ends its process as if all were done.

Outcome: crashed.
Says: exit code 0 before it was done
"""

import os

import numpy as np


def attack():
    os._exit(0)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
