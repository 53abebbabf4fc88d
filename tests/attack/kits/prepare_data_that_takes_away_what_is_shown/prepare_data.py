"""Removes the folder that it said submissions may see, so that trainers find nothing to mount.

Outcome: kit_error. It is the organiser who must know.
Says: 'data/shown'
Shown: data/shown
"""

import shutil

shutil.rmtree("data/shown")
