"""Raises an exception that raises whenever anybody asks it for words, notes, causes or a traceback.

Outcome: train_error.
Says: Odd
"""

import numpy as np


class Odd(BaseException):
    def refuse(self, *arguments):
        raise SystemExit(0)

    __str__ = __repr__ = __getattr__ = __eq__ = __hash__ = refuse
    __notes__ = __cause__ = __context__ = __suppress_context__ = filename = property(refuse)


def attack():
    raise Odd


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
