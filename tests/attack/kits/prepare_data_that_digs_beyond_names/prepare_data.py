"""Makes folders in folders, deeper than any path can say, and waits: what is down there cannot be counted.

Outcome: kit_error. What cannot be looked at counts as too much.
Says: far more than
"""

import os
import time

for _ in range(3000):
    os.mkdir("deep")
    os.chdir("deep")
time.sleep(1e6)
