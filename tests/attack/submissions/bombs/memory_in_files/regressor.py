"""Fills /tmp and /dev/shm, which are memory that no process shows, then waits.

Outcome: memory_limit.
Says: 192 MiB
"""

import time

import numpy as np


def attack():
    for folder in ("/tmp", "/dev/shm"):
        try:
            with open(f"{folder}/filled", "wb", buffering=0) as file:
                while file.write(b"x" * (1 << 20)):
                    pass
        except OSError as error:
            print(folder, error.strerror, flush=True)
    time.sleep(1e6)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
