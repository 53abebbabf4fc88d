"""Sandboxes, and an environment that is built once and kept in `.palio/test-cache/`, so that repeated runs are quick."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.execution.environments.build import Builder
from shared.execution.environments.index import Index
from shared.execution.environments.interpreters import Interpreter, find_interpreter
from shared.execution.environments.unpacking import unpack_environment
from shared.execution.sandbox import Bubblewrap, CgroupError, Mount, Sandbox, SandboxResult, open_cgroups
from shared.execution.stations import ColdStations, Environment
from tests.integration.execution.programs import PYTHON, ROOT, python_spec

TEST_CACHE = ROOT / ".palio" / "test-cache"
#: Everything that kits in these tests import; one environment for all of them.
REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "ramp-workflow==0.7.0", "palio")


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest) -> Bubblewrap:
    """One as the services have it, or of the kind that is asked for."""
    kind = getattr(request, "param", None)
    try:
        cgroups = None if kind == "watched" else open_cgroups()
    except CgroupError as error:
        if kind:
            pytest.skip(f"no control group can be made here: {error}")
        cgroups = None
    return Bubblewrap(cgroups=cgroups)


@pytest.fixture(scope="session")
def interpreter() -> Interpreter:
    return find_interpreter(PYTHON)


@pytest.fixture
def run_python(sandbox: Sandbox, interpreter: Interpreter) -> Callable[..., SandboxResult]:
    """Runs a Python program in a sandbox, with the standard library only, to its end."""

    def run(code: str, *, mounts: tuple[Mount, ...] = (), results: Path | None = None, **limits: float) -> SandboxResult:
        spec = python_spec(interpreter, code, mounts=mounts, results=results, **limits)
        return sandbox.start(spec).wait()

    return run


@pytest.fixture(scope="session")
def wheel_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `palio` wheel of this working tree."""
    folder = tmp_path_factory.mktemp("wheels")
    source = tmp_path_factory.mktemp("sdk") / "sdk"
    shutil.copytree(ROOT / "sdk", source, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def builder(sandbox: Bubblewrap, wheel_dir: Path) -> Builder:
    return Builder(sandbox, TEST_CACHE / "building", Index.of(os.environ), wheel_dir)


@pytest.fixture(scope="session")
def environment(builder: Builder, interpreter: Interpreter) -> Environment:
    """The environment of all kits here, by our own builder."""
    lock = builder.resolve(REQUIREMENTS, interpreter)
    name = hashlib.sha256(f"{interpreter.full_version} {interpreter.executable}\n{lock}".encode()).hexdigest()
    folder = TEST_CACHE / "environments" / name
    with (TEST_CACHE / "environments.lock").open("w") as held:
        # The first worker builds it, others wait.
        fcntl.flock(held, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(TEST_CACHE / "environments", ignore_errors=True)
            folder.parent.mkdir(parents=True)
            build_into(folder, lock, builder, interpreter)
    return Environment(folder, interpreter)


def build_into(folder: Path, lock: str, builder: Builder, interpreter: Interpreter) -> None:
    """Build and unpack an environment; the folder appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as making:
        pack = builder.build(lock, interpreter, Path(making) / "pack.tar.zst")
        unpack_environment(pack.path, Path(making) / "unpacked", interpreter)
        (Path(making) / "unpacked").rename(folder)


@pytest.fixture
def stations(sandbox: Bubblewrap, tmp_path: Path) -> Iterator[ColdStations]:
    yield ColdStations(sandbox, tmp_path / "work")
    assert not list((tmp_path / "work").glob("*")), "a station left its folder behind"
