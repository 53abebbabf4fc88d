"""Raises an exception that is its own cause, at the end of ten thousand others.

Outcome: train_error.
Says: ValueError: number 0
"""

import numpy as np


def attack():
    first = error = ValueError("number 0")
    for number in range(1, 10_000):
        error.__cause__ = ValueError(f"number {number}")
        error = error.__cause__
    error.__cause__ = first
    raise first


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
