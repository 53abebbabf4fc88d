"""The Python interpreters that a host has, and what a sandbox must see of one."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from shared.execution.sandbox.port import Mount

_VERSION = re.compile(r"3\.(\d{1,2})")
_OLDEST_MINOR = 8
_NEWEST_MINOR_LOOKED_FOR = 20
_QUESTION = (
    "import json, sys; print(json.dumps([list(sys.version_info[:3]), sys.implementation.name, "
    "getattr(sys, '_base_executable', sys.executable), sys.base_prefix]))"
)


class MissingInterpreterError(Exception):
    """This host has no such Python; the message says which it has."""


@dataclass(frozen=True)
class Interpreter:
    """A base interpreter, of no virtual environment. `version` is like 3.11, `full_version` like 3.11.7."""

    executable: Path
    base_prefix: Path
    version: str
    full_version: str

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Its installation, at its own path; nothing for the system's, which every sandbox sees."""
        if self.base_prefix.is_relative_to("/usr") and self.executable.is_relative_to("/usr"):
            return ()
        return (Mount(self.base_prefix, str(self.base_prefix)),)


def find_interpreter(version: str) -> Interpreter:
    """The host's Python of a version like "3.11": the one that runs this if it fits, else `python3.11` on PATH.

    Raises `MissingInterpreterError` for a version that is not there, or not supported.
    """
    match = _VERSION.fullmatch(version)
    if not match or int(match[1]) < _OLDEST_MINOR:
        raise MissingInterpreterError(
            f"a Python version is written like 3.11, and is 3.{_OLDEST_MINOR} or newer: not {version!r}; there is {named_here()}"
        )
    found = _found(version)
    if found:
        return found
    raise MissingInterpreterError(f"Python {version} is not installed here; there is {named_here()}")


def interpreters_here() -> list[Interpreter]:
    """Every supported Python of this host: the one that runs this, then the others, the newest first."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    others = (f"3.{minor}" for minor in range(_NEWEST_MINOR_LOOKED_FOR, _OLDEST_MINOR - 1, -1))
    return [found for version in (own, *(other for other in others if other != own)) if (found := _found(version))]


def named_here() -> str:
    """The versions of `interpreters_here` in words, the oldest first."""
    there = sorted(interpreters_here(), key=lambda interpreter: int(interpreter.version.removeprefix("3.")))
    return ", ".join(interpreter.version for interpreter in there) or "none"


@functools.cache
def _found(version: str) -> Interpreter | None:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        own = _asked(sys.executable, version)
        if own:
            return own
    name = f"python{version}"
    # All of them, since the first may be a launcher that only says that nothing is installed.
    for folder in os.get_exec_path():
        found = shutil.which(name, path=folder)
        interpreter = _asked(found, version) if found else None
        if interpreter:
            return interpreter
    return None


def _asked(executable: str, version: str) -> Interpreter | None:
    """What an interpreter says of itself; None for one that does not answer, or is of another version."""
    try:
        answer = subprocess.run([executable, "-I", "-c", _QUESTION], capture_output=True, check=True, timeout=20, cwd="/")
        numbers, implementation, base_executable, base_prefix = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    major, minor, micro = numbers
    if implementation != "cpython" or f"{major}.{minor}" != version:
        return None
    return Interpreter(Path(base_executable).resolve(), Path(base_prefix).resolve(), version, f"{major}.{minor}.{micro}")
