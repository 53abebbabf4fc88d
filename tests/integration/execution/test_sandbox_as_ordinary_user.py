"""The same promises, kept by a service that does not run as root: the sandbox's tests once more, as another user."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.ordinary_user import ROOT, interpreter_for, ordinary_uid, python_path

_FOLDER = Path(__file__).parent


@pytest.mark.skipif(os.geteuid() != 0, reason="runs as an ordinary user already")
@pytest.mark.timeout(600)
def test_an_ordinary_user_gets_the_same_sandbox(request: pytest.FixtureRequest) -> None:
    uid = ordinary_uid()
    python = interpreter_for(uid)
    if python is None:
        pytest.skip("no Python that an ordinary user can run reaches this repository")
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
        "PYTHONPATH": python_path(),
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        command, user=uid, group=uid, extra_groups=[], env=environment, cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
