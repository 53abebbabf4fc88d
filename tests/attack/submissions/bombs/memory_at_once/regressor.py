"""Asks for more memory than any machine has.

Outcome: memory_limit. The kernel refuses, and the error that is raised counts as the limit.
Says: memory
"""

import numpy as np


def attack():
    np.ones(10**14)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
