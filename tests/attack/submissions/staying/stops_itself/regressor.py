"""Stops itself, so that it can do nothing, not even end.

Outcome: time_limit.
Says: 2 seconds
"""

import os
import signal

import numpy as np


def attack():
    os.kill(os.getpid(), signal.SIGSTOP)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
