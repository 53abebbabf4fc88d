"""Opens files for ever.

Outcome: train_error.
Says: Too many open files
"""

import os

import numpy as np


def attack():
    while True:
        os.open("/dev/null", os.O_RDONLY)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
