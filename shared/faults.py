"""Named points at which a process dies, as if it were killed there: how tests put a death before and after each step.

With `PALIO_FAULT_POINTS` set to a folder, a process that passes a point removes the file of the point's name from there and kills
itself with SIGKILL: a file is one death, of whoever passes first. Without it, which is everywhere but in tests, a point is an
empty function.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

FOLDER_VARIABLE = "PALIO_FAULT_POINTS"
_folder = os.environ.get(FOLDER_VARIABLE)


def _pass(*name: str) -> None:
    """Nothing happens here."""


def _die_if_armed(*name: str) -> None:
    """Die here if this point is armed; its name is given in parts, which stand in the file's name with dots between them."""
    with suppress(FileNotFoundError):
        # Only one of two that pass at the same moment can remove it.
        Path(str(_folder), ".".join(name)).unlink()
        os.kill(os.getpid(), signal.SIGKILL)


#: Pass a point, whose name is given in parts: `fault_point("relay", "confirmed")`.
fault_point = _die_if_armed if _folder else _pass
