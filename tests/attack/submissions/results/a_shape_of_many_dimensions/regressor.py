"""Sends an array of more dimensions than numpy knows, of which all but one have the length 1: the size is right.

Outcome: bad_predictions. Nothing that stands in a header breaks whoever reads it.
Says: a shape that no array has
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


def attack():
    header = repr({"descr": "<f8", "fortran_order": False, "shape": (N_TRAIN,) + (1,) * 70}).encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(8 * N_TRAIN)
    send(packed({"train.values.npy": content, "test.values.npy": b"", "status.json": status()}))


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
