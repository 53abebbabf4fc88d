"""Replaces the functions of numpy by which predictions are saved: what leaves the sandbox is a pickle.

Outcome: bad_predictions. What was sent is no array of numbers.
Says: numbers are needed
"""

import numpy as np

save = np.save


def save_objects(file, array, **options):
    save(file, array.astype(object), allow_pickle=True)


def attack():
    np.save = save_objects


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
