"""The same promises, kept by a service that does not run as root: the sandbox's tests once more, as another user."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.execution.sandbox import CgroupError
from shared.execution.sandbox.cgroup_places import find_places
from shared.execution.sandbox.cgroups import _clear
from tests.support.ordinary_user import ROOT, interpreter_for, ordinary_uid, python_path

_FOLDER = Path(__file__).parent


@contextmanager
def delegated(uid: int) -> Iterator[list[Path]]:
    """Control groups that the user may make others in, as systemd's `Delegate=yes` gives them; none where root has none."""
    try:
        folders = {place.folder / f"palio-test-{os.getpid()}" for place in find_places(Path("/proc/self")).values()}
    except CgroupError:
        folders = set()
    for folder in folders:
        folder.mkdir()
        for name in (".", "cgroup.procs", "cgroup.subtree_control"):
            if (folder / name).exists():
                os.chown(folder / name, uid, uid)
    try:
        yield sorted(folders)
    finally:
        for folder in folders:
            for group in (*folder.glob("*/"), folder):
                _clear(group)


@pytest.mark.skipif(os.geteuid() != 0, reason="runs as an ordinary user already")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "module",
    [
        "test_sandbox",
        "test_sandbox_limits",
        "test_sandbox_hidden_memory",
        "test_sandbox_usage",
        "test_cgroups",
        "test_limits_self_test",
    ],
)
def test_an_ordinary_user_gets_the_same_sandbox(module: str, request: pytest.FixtureRequest) -> None:
    uid = ordinary_uid()
    python = interpreter_for(uid)
    if python is None:
        pytest.skip("no Python that an ordinary user can run reaches this repository")
    # Not below pytest's own folder, which only root may enter.
    home = Path(tempfile.mkdtemp(prefix="palio-ordinary-"))
    request.addfinalizer(lambda: shutil.rmtree(home))
    os.chown(home, uid, uid)
    pytest_command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={home}/tests"]
    # Begins when root has put it into the groups.
    command = ["/bin/sh", "-c", 'read line; exec "$@"', "sh", *pytest_command, str(_FOLDER / f"{module}.py")]
    environment = {
        "PYTHONPATH": python_path(),
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with (
        delegated(uid) as folders,
        subprocess.Popen(
            command,
            user=uid,
            group=uid,
            extra_groups=[],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for folder in folders:
            (folder / "cgroup.procs").write_text(str(process.pid))
        said, _ = process.communicate("\n")
    assert process.returncode == 0, said[-7000:]
    if folders and module == "test_sandbox":
        assert "skipped" not in said.splitlines()[-1]
