"""Makes empty files for ever: they have no bytes, but the kernel remembers each.

Outcome: memory_limit.
Says: 192 MiB
"""

import os

import numpy as np


def attack():
    number = 0
    while True:
        os.close(os.open(f"/tmp/{number}", os.O_CREAT))
        number += 1


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
