"""Changes all that the next submission loads: packages, the kit, its data, the runner, caches, homes, shared memory.

Outcome: trained. All is read-only, and what is not is thrown away: the second fold finds nothing of the first.
Scores: as the starter
Log: nothing was found that another had left
"""

import glob
import os
import sys

import numpy as np

MARKER = "palio_left_behind"
SITE = os.path.dirname(os.path.dirname(np.__file__))
FOLDERS = [
    SITE,
    f"{SITE}/numpy",
    "/environment",
    "/environment/bin",
    "/kit",
    "/data",
    "/job",
    "/job/submission",
    "/runner",
    "/runner/palio_runner",
    "/etc",
    "/usr/lib",
    "/",
    "/var/tmp",
    os.path.dirname(os.__file__),
    *sys.path,
]
KEPT = ["/tmp", "/dev/shm", os.path.expanduser("~")]


def attack():
    for path in [place for folder in [*FOLDERS, *KEPT] for place in glob.glob(f"{folder}/{MARKER}*")]:
        print("BROKEN OUT: another left", path)
    print("nothing was found that another had left")
    for folder in filter(os.path.isdir, FOLDERS):
        for act in (lambda path: open(path, "w").close(), os.mkdir, lambda path: os.symlink("/etc/passwd", path)):
            try:
                act(f"{folder}/{MARKER}.pth")
            except OSError:
                continue
            print("BROKEN OUT: wrote to", folder)
    for path in (
        np.__file__,
        os.__file__,
        "/kit/problem.py",
        "/data/x_train",
        "/data/x_test",
        "/job/fold",
        "/job/submission/regressor.py",
    ):
        for act in (
            lambda path: open(path, "r+b"),
            os.unlink,
            lambda path: os.rename(path, path + "~"),
            lambda path: os.chmod(path, 0o777),
            lambda path: os.utime(path),
            lambda path: os.setxattr(path, "user.palio", b"1"),
            lambda path: os.link(path, f"/tmp/{MARKER}"),
        ):
            try:
                act(path)
            except OSError:
                continue
            print("BROKEN OUT: changed", path)
    for folder in filter(os.path.isdir, KEPT):
        open(f"{folder}/{MARKER}", "w").close()


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
