"""The same promises, kept by a service that does not run as root: the sandbox's tests once more, as another user."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.integration.execution.programs import ROOT

_FOLDER = Path(__file__).parent


def interpreter_for(uid: int) -> str | None:
    """A Python of this version that the user can run, with our packages and this repository."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    candidates = (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    for candidate in candidates:
        command = [candidate, "-c", "import pydantic, pytest, shared.settings"]
        environment = {"PYTHONPATH": f"{ROOT}:{packages}", "PATH": os.environ["PATH"]}
        try:
            subprocess.run(
                command, user=uid, group=uid, extra_groups=[], env=environment, cwd="/", check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="runs as an ordinary user already")
@pytest.mark.timeout(600)
def test_an_ordinary_user_gets_the_same_sandbox(request: pytest.FixtureRequest) -> None:
    uid = next((user.pw_uid for user in pwd.getpwall() if 1000 <= user.pw_uid < 60000), 1000)
    python = interpreter_for(uid)
    if python is None:
        pytest.skip("no Python that an ordinary user can run reaches this repository")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    # Not below pytest's own folder, which only root may enter.
    home = Path(tempfile.mkdtemp(prefix="palio-ordinary-"))
    request.addfinalizer(lambda: shutil.rmtree(home))
    os.chown(home, uid, uid)
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={home}/tests",
        str(_FOLDER / "test_sandbox.py"),
    ]
    environment = {
        "PYTHONPATH": f"{ROOT}:{packages}",
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        command, user=uid, group=uid, extra_groups=[], env=environment, cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
