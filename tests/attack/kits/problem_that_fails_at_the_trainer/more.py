"""Loads where it is prepared, and ends the process where it is trained: every team would be charged for it.

Outcome: prepared.
Submission: kit_error
"""

import os

if not os.path.exists("data/train.csv"):
    os._exit(0)
