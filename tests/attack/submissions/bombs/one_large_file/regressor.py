"""Writes one file that claims to be huge: a hole, which takes no space until somebody copies it.

Outcome: train_error.
Says: File too large
"""

import numpy as np


def attack():
    with open("/tmp/hole", "wb") as file:
        file.truncate(1 << 40)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
