"""Makes folders in folders in folders, so that whoever tidies up falls in.

Outcome: prepared. They are removed all the same.
"""

import os

for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
