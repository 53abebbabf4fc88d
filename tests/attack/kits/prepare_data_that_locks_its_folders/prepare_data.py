"""Leaves files that nobody may open in folders that nobody may change, so that whoever tidies up cannot.

Outcome: prepared. They are removed all the same.
"""

import os

os.makedirs("data/locked/folder")
open("data/locked/folder/file", "w").close()
os.chmod("data/locked/folder/file", 0)
os.chmod("data/locked/folder", 0o500)
os.chmod("data/locked", 0o500)
