"""Ends its first thread, which is what `/proc` shows of a process, and takes memory in another.

Outcome: memory_limit.
Says: 192 MiB
"""

import ctypes
import platform
import threading
import time

import numpy as np


def hold():
    time.sleep(0.3)
    taken = bytearray(b"x") * (512 << 20)
    time.sleep(len(taken))


def attack():
    threading.Thread(target=hold).start()
    ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
