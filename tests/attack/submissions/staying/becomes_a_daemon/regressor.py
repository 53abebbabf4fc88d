"""Leaves a daemon behind that holds its log and its results open, ignores signals and outlives it.

Outcome: trained. The submission is over when its process is, and the daemon dies with it.
Scores: as the starter
Log: left behind
"""

import os
import signal

import numpy as np

MARKER = "palio-attack-daemon"


def attack():
    if os.fork() == 0:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            os.execv("/bin/sh", ["sh", "-c", f"trap '' TERM; while :; do sleep 1; done # {MARKER}"])
        os._exit(0)
    os.wait()
    print("left behind")


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
