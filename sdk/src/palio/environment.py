"""Making the server's locked environment beside a kit, in `.venv`: the same versions as submissions get there.

Installs with hashes required and from wheels only, by uv where there is one, else by venv and pip. Never touches a `.venv`
that it did not make.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Callable

from palio.client import Client
from palio.client.answers import Environment
from palio.kit_process import python_in

#: In `.venv`, says that it is ours and which lock it holds; there before anything else, so that a broken-off one is known.
MARK = "palio-environment.json"
#: Lines of an installer's output that an error shows.
SHOWN_LINES = 15


class EnvironmentFailedError(Exception):
    """The environment could not be made; the message says what to do, `detail` holds the installer's last words."""

    def __init__(self, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.detail = detail


def make_environment(folder: Path, environment: Environment, client: Client, told: Callable[[str], None]) -> bool:
    """Make `.venv` in the kit's folder hold exactly the lock; False if it already does.

    `told` gets each line that the installer prints. On failure nothing stays. Raises EnvironmentFailedError.
    """
    target = folder / ".venv"
    if _digest_of(target) == environment["digest"]:
        return False
    _clear(target)
    try:
        target.mkdir()
        _mark(target, "")
        with tempfile.TemporaryDirectory(prefix="palio-") as downloads:
            lock = Path(downloads) / "requirements.txt"
            lock.write_text(environment["requirements"], encoding="utf-8")
            _fetch_own_wheel(environment["requirements"], client, Path(downloads))
            for command in _commands(target, environment["python_version"], lock, Path(downloads)):
                _run(command, told)
        _mark(target, environment["digest"])
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return True


def _commands(target: Path, python_version: str, lock: Path, downloads: Path) -> list[list[str]]:
    """What makes the environment: the commands, in order."""
    installing = ["--require-hashes", "--only-binary", ":all:", "--find-links", str(downloads), "-r", str(lock)]
    uv = find_uv()
    if uv is not None:
        making = [uv, "venv", "--allow-existing", "--no-project", "--python", python_version, str(target)]
        return [making, [uv, "pip", "install", "--python", str(target), *installing]]
    python = find_python(python_version)
    if python is None:
        here = ".".join(map(str, sys.version_info[:2]))
        raise EnvironmentFailedError(
            f"The server runs submissions under Python {python_version}; this is Python {here}, and no other was found. "
            f"Install uv (`pip install uv`), which fetches it, or Python {python_version} itself, and start again; or go on "
            "with --no-environment, and test with what is installed here."
        )
    pip = [str(python_in(target)), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    return [[*python, "-m", "venv", str(target)], [*pip, "install", *installing]]


def find_uv() -> str | None:
    """Uv beside this Python, or on PATH."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("uv", path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))


def find_python(version: str) -> list[str] | None:
    """The command of a Python of this version (`3.11`), or None."""
    if version == ".".join(map(str, sys.version_info[:2])):
        return [sys.executable]
    found = shutil.which(f"python{version}")
    if found is not None:
        return [found]
    launcher = shutil.which("py") if os.name == "nt" else None
    if (
        launcher is not None
        and subprocess.run([launcher, f"-{version}", "-c", ""], capture_output=True, check=False).returncode == 0
    ):
        return [launcher, f"-{version}"]
    return None


def _run(command: list[str], told: Callable[[str], None]) -> None:
    """Run an installer; its last lines are in the error if it fails."""
    last: deque[str] = deque(maxlen=SHOWN_LINES)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            told(line.strip())
    if process.returncode:
        raise EnvironmentFailedError(
            f"The environment could not be made: `{Path(command[0]).name}` ended with exit code {process.returncode}. "
            "Check your network and try again; or go on with --no-environment, and test with what is installed here.",
            "\n".join(last),
        )


def _fetch_own_wheel(requirements: str, client: Client, downloads: Path) -> None:
    """Download palio's wheel from the server, if the lock names it: it is in no public index."""
    named = re.search(r"^palio==([^\s;\\]+)", requirements, re.MULTILINE)
    if named is None:
        return
    wheel = next((name for name in client.wheels() if name.startswith(f"palio-{named[1]}-")), None)
    if wheel is None:
        raise EnvironmentFailedError(
            f"The server's environment needs palio {named[1]}, which it does not offer. Tell those who run it."
        )
    with (downloads / wheel).open("wb") as file:
        client.download(f"/packages/{wheel}", file)


def _digest_of(target: Path) -> str | None:
    """The digest of the lock that an environment was made from; None if there is none, or it is not ours."""
    try:
        return str(json.loads((target / MARK).read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _mark(target: Path, digest: str) -> None:
    (target / MARK).write_text(json.dumps({"digest": digest}), encoding="utf-8")


def _clear(target: Path) -> None:
    if not target.exists():
        return
    if _digest_of(target) is None:
        raise EnvironmentFailedError(f"{target} was not made by palio. Move it away, or go on with --no-environment.")
    shutil.rmtree(target)
