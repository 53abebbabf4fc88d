"""Spreads memory over children, none of which has much.

Outcome: memory_limit.
Says: 192 MiB
"""

import os
import time

import numpy as np


def attack():
    for _ in range(16):
        if os.fork() == 0:
            held = bytearray(b"x" * (24 << 20))
            time.sleep(1e6)
            print(held)
    time.sleep(1e6)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
