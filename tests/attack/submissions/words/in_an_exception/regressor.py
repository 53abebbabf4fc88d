"""Raises an exception whose words are escapes, markup, NULs, halves of characters, and a megabyte of them.

Outcome: train_error. The words are shown, cut, with everything visible that a terminal would obey.
Says: \\x1b[31mred\\x00<script>
"""

import numpy as np


def attack():
    raise ValueError("\x1b[31mred\x00<script>alert(1)</script>\udcff\u202e" + "x" * (1 << 20) + "end\x07")


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
