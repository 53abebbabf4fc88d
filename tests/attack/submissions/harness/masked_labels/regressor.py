"""Changes the rows that it is said to train on, so as to be handed the labels of the others.

Outcome: trained. The labels of other rows are not those of other rows: they were replaced before the trainer had them.
Scores: as the starter
Log: labels were handed over
"""

import sys

import numpy as np


def attack():
    frame = sys._getframe()
    while frame is not None:
        labels = frame.f_locals.get("y_train", frame.f_locals.get("y"))
        if labels is not None:
            print(len(labels), "labels were handed over:", labels.tolist())
        frame = frame.f_back


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
