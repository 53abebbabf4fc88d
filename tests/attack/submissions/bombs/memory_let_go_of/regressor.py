"""Fills shared mappings and lets go of their pages, so that they are in no process's resident size.

Outcome: memory_limit.
Says: 192 MiB
"""

import mmap
import time

import numpy as np


def attack():
    taken = []
    for _ in range(16):
        taken.append(mmap.mmap(-1, 32 << 20))
        taken[-1].write(b"x" * (32 << 20))
        taken[-1].madvise(mmap.MADV_DONTNEED)
    time.sleep(1e6)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
