"""What only these tests need of a real platform: a participant, and what `ramp-test` says."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from palio.client.answers import Environment
from tests.support.people import ROOT, Person


@pytest.fixture(scope="session")
def ada(register: Callable[[str], Person]) -> Person:
    """A participant."""
    return register("ada")


#: The numbers that ramp-workflow's own functions give a submission (see `tests/support/ramp_numbers.py`) of the kit in a folder,
#: in the very packages that the platform has locked for a challenge.
RampNumbers = Callable[[Path, str, str], dict[str, Any]]


@pytest.fixture(scope="session")
def ramp_numbers(organiser: Person, tmp_path_factory: pytest.TempPathFactory) -> RampNumbers:
    folder = tmp_path_factory.mktemp("ramp")

    def numbers(kit: Path, submission: str, challenge: str) -> dict[str, Any]:
        python = locked_python(organiser.client.environment(challenge), folder)
        # Threads as in the platform's sandbox, since sums in another order differ in the last digits.
        variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # What is imported is compiled once, whatever this machine's custom is: the same packages serve many kits.
        variables["PYTHONDONTWRITEBYTECODE"] = ""
        command = [python, ROOT / "tests/support/ramp_numbers.py", kit, submission]
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return numbers


def locked_python(environment: Environment, folder: Path) -> Path:
    """The interpreter of an environment with exactly the packages of a lock; made at first use."""
    venv = folder / hashlib.sha256(environment["requirements"].encode()).hexdigest()
    python, uv = venv / "bin/python", Path(sys.executable).parent / "uv"
    if not venv.exists():
        lock = folder / "requirements.txt"
        lock.write_text(environment["requirements"])
        subprocess.run([uv, "venv", "--quiet", "--python", environment["python_version"], venv], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock], check=True)
    return python


def assert_same_numbers(scores: dict[str, Any], expected: dict[str, Any]) -> None:
    """A submission's scores as its organiser sees them are those of `ramp_numbers`: each fold, each split, and bagged."""
    splits = ["train", "valid", "test"]
    assert len(scores["folds"]) == len(expected["folds"])
    for fold, expected_fold in zip(scores["folds"], expected["folds"], strict=True):
        assert set(fold["scores"]) == set(expected_fold)
        for metric, numbers in expected_fold.items():
            assert [fold["scores"][metric][split] for split in splits] == [close(numbers.get(split)) for split in splits], metric
    assert set(scores["bagged"]) == set(expected["bagged"])
    for metric, series in expected["bagged"].items():
        shown = {split: close(final(expected, metric, split)) for split in series}
        assert scores["bagged"][metric] == shown, metric


def final(expected: dict[str, Any], metric: str, split: str) -> float | None:
    """The one number that stands on a board: of the last bag, or the mean over folds, as the kit wants it."""
    series = expected["bagged"][metric][split]
    if expected["score_kind"] == "mean":
        series = [fold[metric][split] for fold in expected["folds"] if split in fold[metric]]
        return fmean(series) if series else None
    return series[-1] if series else None


def close(number: float | None) -> object:
    """What a number is to be compared with: itself to nine digits after the point, or None."""
    return None if number is None else pytest.approx(number, rel=0, abs=1e-9)
