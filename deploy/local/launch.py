"""Become a program: `python -IS launch.py SPEC.json`. Standard library only, since it runs without any environment.

The supervisor starts every program through this, because its own configuration file has quoting rules in which a path with a
space, `%` or `;` breaks, and because it hands its whole environment to all children: here each gets exactly its own.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Replace this process by the program that the file describes."""
    specification = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    # When the process that started this one dies, however it dies, the kernel sends this signal: without it a `kill -9` of
    # the supervisor would leave every server behind. It survives execve.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.Signals[specification["parent_death_signal"]].value)
    os.chdir(specification["directory"])
    command = specification["command"]
    os.execvpe(command[0], command, specification["environment"])  # noqa: S606 (without a shell is the point)


if __name__ == "__main__":
    main()
