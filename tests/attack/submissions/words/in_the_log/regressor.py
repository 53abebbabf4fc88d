"""Prints what terminals obey, what browsers run, NULs, and bytes that are no text.

Outcome: trained.
Scores: as the starter
Log: <script>alert(1)</script>
"""

import sys

import numpy as np

WORDS = (
    b"\x1b[2J\x1b[31mred\x1b]0;title\x07\x1b]8;;http://evil.example\x07click\x1b]8;;\x07\x9b2J\r\x08\x7f",
    b"<script>alert(1)</script><svg/onload=alert(1)>",
    b"\x00" * 100,
    b"\xff\xfe\xc0\x80\xed\xa0\x80\xf5",
    "\u202ereversed\u2066\ufeff\u2028".encode(),
    b"[bold red]markup[/bold red] {{ 7 * 7 }} %s ${jndi:ldap://127.0.0.1}",
    b'{"event": "forged", "level": "critical"}',
)


def attack():
    for words in WORDS:
        sys.stdout.buffer.write(words + b"\n")
        sys.stderr.buffer.write(words + b"\n")
    print("\udcff\ud800 half of a pair")


class Regressor:
    def fit(self, X, y):
        self.coefficients = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
        attack()

    def predict(self, X):
        return np.c_[X, np.ones(len(X))] @ self.coefficients
