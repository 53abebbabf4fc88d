"""Fills pairs of sockets that nobody reads, as many as it may have open: the kernel holds what they hold.

Outcome: memory_limit.
Says: 192 MiB
"""

import socket
import time

import numpy as np


def attack():
    taken = []
    try:
        while True:
            pair = socket.socketpair()
            taken.append(pair)
            for end in pair:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
                end.setblocking(False)
                try:
                    while True:
                        end.send(bytes(60_000))
                except OSError:
                    pass
    except OSError as error:
        # Where the kernel itself counts them, it refuses more. With what is left over, as much again is taken openly.
        print(error.strerror, flush=True)
    held = np.ones(24 << 20)
    time.sleep(held.sum())


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
