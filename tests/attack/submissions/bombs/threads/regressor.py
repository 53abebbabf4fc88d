"""Starts threads for ever, each of which sleeps for ever.

Outcome: train_error. The kernel refuses beyond the challenge's number of processes, of which each thread is one.
Says: can't start new thread
"""

import threading
import time

import numpy as np


def attack():
    while True:
        threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
