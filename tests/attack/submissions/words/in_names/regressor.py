"""Raises an exception whose class, function and file have names that are escapes, markup and paths.

Outcome: train_error.
Says: \\x1b[2J<script>
"""

import numpy as np

NAME = "\x1b[2J<script>\x00"


def attack():
    source = "def raises(error):\n    raise error\n"
    names = {}
    exec(compile(source, f"/job/submission/../../etc/{NAME[:-1]}", "exec"), names)
    function = names["raises"]
    function.__code__ = function.__code__.replace(co_name=NAME, co_filename=f"/job/submission/{NAME}/../../../etc/passwd")
    function(type(NAME[:-1], (Exception,), {"__module__": NAME})("from a file that is none"))


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
