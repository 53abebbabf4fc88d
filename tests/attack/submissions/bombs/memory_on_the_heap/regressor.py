"""Takes memory, a little at a time, for ever.

Outcome: memory_limit.
Says: 192 MiB
"""

import numpy as np


def attack():
    taken = []
    while True:
        taken.append(bytearray(b"x" * (1 << 20)))


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
