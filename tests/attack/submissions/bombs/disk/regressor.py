"""Writes a file for ever wherever it may write.

Outcome: train_error. It may write to a small /tmp in memory only, and the error is its own.
Says: No space left on device
"""

import os

import numpy as np


def attack():
    for folder in ("/", "/kit", "/job", "/data", "/environment", "/var/tmp", os.getcwd(), "/tmp"):
        try:
            file = open(f"{folder}/filled", "wb", buffering=0)
        except OSError:
            continue
        print("writes to", folder)
        while True:
            file.write(b"x" * (1 << 20))


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
