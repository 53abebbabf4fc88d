"""Takes blocks of POSIX shared memory and lets go of their names, so that no listing shows them.

Outcome: memory_limit.
Says: 192 MiB
"""

import os
import time
from multiprocessing.shared_memory import SharedMemory

import numpy as np


def attack():
    taken = []
    held = np.ones(12 << 20)
    try:
        while True:
            taken.append(SharedMemory(create=True, size=4 << 20))
            os.posix_fallocate(taken[-1]._fd, 0, 4 << 20)
            taken[-1].unlink()
    except OSError as error:
        print(error.strerror, held.nbytes, flush=True)
    time.sleep(1e6)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
