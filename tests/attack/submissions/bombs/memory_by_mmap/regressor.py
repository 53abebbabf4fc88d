"""Maps anonymous shared memory and fills it: it is in no process's heap.

Outcome: memory_limit.
Says: 192 MiB
"""

import mmap

import numpy as np


def attack():
    taken = []
    while True:
        taken.append(mmap.mmap(-1, 8 << 20))
        taken[-1].write(b"x" * (8 << 20))


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
