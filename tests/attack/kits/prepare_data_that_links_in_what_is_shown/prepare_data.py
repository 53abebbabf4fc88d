"""Puts a link into the folder that submissions may see: whoever packs it would pack what it leads to.

Outcome: kit_error. A link that leads outside is refused.
Says: leads outside
Shown: data/shown
"""

import os

os.symlink("/etc/passwd", "data/shown/picture.png")
