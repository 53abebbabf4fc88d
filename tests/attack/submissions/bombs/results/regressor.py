"""Sends results for ever, as what takes them would have to store them.

Outcome: output_limit.
Says: results
"""

import os

import numpy as np


def attack():
    pipes = [number for number in range(3, 1024) if os.path.exists(f"/proc/self/fd/{number}")]
    while True:
        for number in pipes:
            try:
                os.write(number, b"x" * (1 << 16))
            except OSError:
                continue


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
