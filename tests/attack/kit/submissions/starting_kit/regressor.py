"""Least squares: honest."""

import numpy as np


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        print("an honest word")

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
