"""Predicts objects that run a program when they are unpickled.

Outcome: bad_predictions. Objects never leave the sandbox.
Says: numbers are needed
"""

import numpy as np


class Evil:
    def __reduce__(self):
        import os

        return (os.system, ("touch /tmp/palio-attack; echo BROKEN OUT",))


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]

    def predict(self, X):
        honest = np.c_[X, np.ones(len(X))] @ self.coefficients
        return np.array([Evil() for _ in honest], dtype=object)
