"""An interpreter with ramp-workflow to compare with, kits to try, and a small HTTP server for answers."""

from __future__ import annotations

import importlib.metadata
import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from answer_server import AnswerServer, answering

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def ramp_python() -> Path:
    """A Python that has ramp-workflow, xarray and scikit-image: PALIO_TEST_RAMP_PYTHON, else one made by uv and kept in `.palio/test-cache`.

    It has the same versions of what computes as the tests, so that a difference is a difference of the two libraries.
    """
    given = os.environ.get("PALIO_TEST_RAMP_PYTHON")
    if given:
        return Path(given)
    environment = ROOT / ".palio" / "test-cache" / f"ramp-{sys.version_info.major}.{sys.version_info.minor}"
    pins = [f"{name}=={importlib.metadata.version(name)}" for name in ("numpy", "pandas", "scikit-learn", "scipy")]
    # Those two are what some of its workflows need and it does not ask for.
    wanted = "\n".join(["ramp-workflow==0.7.0", "scikit-image", "xarray", *pins])
    made_from = environment / "made-from.txt"
    python = environment / "bin" / "python"
    if not made_from.is_file() or made_from.read_text() != wanted:
        shutil.rmtree(environment, ignore_errors=True)
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        assert uv is not None, "uv is missing: install requirements/test.txt"
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *wanted.splitlines()], check=True)
        # Written last, so that an environment that was broken off is made again.
        made_from.write_text(wanted)
    return python


@pytest.fixture(scope="session")
def ramp(ramp_python: Path) -> Iterator[Callable[..., Any]]:
    """Calls a function of `ramp_reference.py` under ramp-workflow: JSON in, JSON out. One process serves all calls."""
    command = [ramp_python, HERE / "ramp_reference.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        inward, outward = process.stdin, process.stdout

        def call(function: str, *arguments: Any) -> Any:
            print(json.dumps([function, arguments]), file=inward, flush=True)
            answer = outward.readline()
            assert answer, f"{function} failed under ramp-workflow; its traceback is on standard error"
            return json.loads(answer)

        yield call
        inward.close()


@pytest.fixture(scope="session")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The iris kit with its data made."""
    return _kit_with_data("iris", tmp_path_factory)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits kit with its data made."""
    return _kit_with_data("digits", tmp_path_factory)


def _kit_with_data(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kit = tmp_path_factory.mktemp("kits") / name
    shutil.copytree(ROOT / "kits" / name, kit, ignore=shutil.ignore_patterns("data", "__pycache__"))
    runpy.run_path(str(kit / "prepare_data.py"), run_name="__main__")
    return kit


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home without a login, from which commands run."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    for name in ("PALIO_SERVER", "PALIO_TOKEN", "PALIO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    return home


@pytest.fixture
def server() -> Iterator[AnswerServer]:
    """A real HTTP server on loopback that answers as told."""
    with answering() as told:
        yield told
