"""An ordinary user of this machine, to run as whoever is not root: programs, and whole services of a platform."""

import os
import pwd
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def ordinary_uid() -> int:
    """The first person of this machine, or the number that would be theirs."""
    return next((user.pw_uid for user in pwd.getpwall() if 1000 <= user.pw_uid < 60000), 1000)


def python_path() -> str:
    """The PYTHONPATH for this repository with the packages it needs."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    # Installed as a link to this folder, which only a Python of that environment follows.
    return f"{ROOT}:{ROOT / 'sdk/src'}:{packages}"


def interpreter_for(uid: int) -> str | None:
    """A Python of this version that the user can run, with our packages and this repository; None if there is none."""
    candidates = (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    for candidate in candidates:
        command = [candidate, "-c", "import pydantic, pytest, shared.settings"]
        environment = {"PYTHONPATH": python_path(), "PATH": os.environ["PATH"]}
        try:
            subprocess.run(
                command, user=uid, group=uid, extra_groups=[], env=environment, cwd="/", check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    return None


def started_as(
    uid: int, arguments: Sequence[str], environment: Mapping[str, str], home: Path, log: Path
) -> "subprocess.Popen[bytes]":
    """Start `python ARGUMENTS` as this user, with our packages, its words in `log`. It dies with the process that starts it.

    `home` is made the user's own. Raises `LookupError` if there is no Python that the user can run.
    """
    python = interpreter_for(uid)
    if python is None:
        raise LookupError("no Python that an ordinary user can run reaches this repository")
    os.chown(home, uid, uid)
    command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--pdeathsig=TERM", "--", python, *arguments]
    variables = {
        **environment,
        "PYTHONPATH": python_path(),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
    }
    with log.open("ab") as output:
        return subprocess.Popen(command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
