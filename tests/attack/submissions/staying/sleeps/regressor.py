"""Sleeps for ever.

Outcome: time_limit.
Says: 2 seconds
"""

import time

import numpy as np


def attack():
    time.sleep(1e6)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
