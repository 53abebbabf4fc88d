"""Sends predictions that are a pickle inside a file of numpy's, which runs a program when it is loaded.

Outcome: bad_predictions. Nothing is unpickled: arrays of objects are refused by their header.
Says: numbers are needed
"""

import io
import json
import os
import tarfile

import numpy as np

N_TRAIN, N_TEST = 60, 30


def saved(array, **options):
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def status(**changes):
    times = {"train": 0.1, "valid": 0.1, "test": 0.1}
    return json.dumps({"stage": "done", "reason": "", "traceback": None, "times_s": times, **changes}).encode()


def packed(files):
    sent = io.BytesIO()
    with tarfile.open(fileobj=sent, mode="w") as archive:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return sent.getvalue()


def send(content):
    """To whichever pipe takes the results, and end as if all were done."""
    for number in range(3, 1024):
        try:
            os.write(number, content)
        except OSError:
            continue
    os._exit(0)


class Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/palio-attack; echo BROKEN OUT",))


def attack():
    evil = np.empty(N_TRAIN, dtype=object)
    evil[:] = Evil()
    send(packed({"train.values.npy": saved(evil, allow_pickle=True), "test.values.npy": b"", "status.json": status()}))


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
