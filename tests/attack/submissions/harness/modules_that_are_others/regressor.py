"""Replaces the modules of the harness and of the standard library under everybody who has imported them.

Outcome: trained. Its own process is all that it can change, and there all that counts is what is sent.
Scores: as the starter
Log: modules were replaced
"""

import sys
import types

import numpy as np


def attack():
    replaced = [name for name in sys.modules if name.split(".")[0] in ("palio_runner", "pickle", "tarfile", "random", "problem")]
    for name in replaced:
        sys.modules[name] = types.ModuleType(name)
    print(len(replaced) > 5, "modules were replaced")


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
