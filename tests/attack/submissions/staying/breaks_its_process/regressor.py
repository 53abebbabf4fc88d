"""Reads where there is no memory.

Outcome: crashed.
Says: signal 11
"""

import ctypes

import numpy as np


def attack():
    ctypes.string_at(0)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
