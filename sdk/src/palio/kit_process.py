"""Running a module of palio under the Python of a kit's environment, and hearing what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from palio.channel import event_of


def environment_python(kit: Path) -> str:
    """The Python of the kit's own environment, `.venv`, else the one that runs this."""
    own = python_in(kit / ".venv")
    return str(own) if own.exists() else sys.executable


def python_in(environment: Path) -> Path:
    """Where a virtual environment has its Python."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def kit_command(kit: Path, module: str, *arguments: object) -> list[str]:
    """The command that runs a module of palio in the kit's environment, with these arguments."""
    return [environment_python(kit), str(Path(__file__).with_name("bootstrap.py")), module, *map(str, arguments)]


@contextmanager
def started(
    kit: Path, module: str, *arguments: object, variables: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A module of palio that runs in the kit's environment, with these arguments; ended when this side is interrupted.

    `variables` are all of its environment's; None: the same as here.
    """
    process = subprocess.Popen(kit_command(kit, module, *arguments), stdout=subprocess.PIPE, env=variables)
    try:
        yield process
    finally:
        # Reached with a running process only when this side was interrupted.
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def events(process: subprocess.Popen[bytes], last: set[str]) -> Iterator[dict[str, Any]]:
    """What the process says, up to one of these last words: a child of the kit's code may hold the pipe open for longer."""
    for line in process.stdout or ():
        event = event_of(line)
        if event is None:
            continue
        is_last = event["event"] in last
        yield event
        if is_last:
            return
