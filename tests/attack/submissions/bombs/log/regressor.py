"""Prints for ever.

Outcome: output_limit. Only the first and the last of it is kept.
Says: printed
"""

import os

import numpy as np


def attack():
    while True:
        os.write(1, b"x" * (1 << 16))


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
