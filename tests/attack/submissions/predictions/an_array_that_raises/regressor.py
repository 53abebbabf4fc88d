"""Predicts an object that raises, when it is made an array, what no handler of errors catches.

Outcome: predict_error.
Says: Odd: no array for you
"""

import numpy as np


class Odd(BaseException):
    pass


class Raises:
    def __array__(self, dtype=None, copy=None):
        raise Odd("no array for you")


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]

    def predict(self, X):
        return Raises()
