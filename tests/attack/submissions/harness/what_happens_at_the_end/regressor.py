"""Leaves code to be run when its process ends, and threads that never do.

Outcome: trained. The process is ended without being asked.
Scores: as the starter
"""

import atexit
import os
import threading
import time

import numpy as np


def attack():
    threading.Thread(target=time.sleep, args=(1e6,)).start()
    atexit.register(lambda: print("BROKEN OUT: code runs after the end"))
    atexit.register(os._exit, 7)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
