"""What only these tests need of a real platform: a participant, and what `ramp-test` says."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.people import Person


@pytest.fixture(scope="session")
def ada(register: Callable[[str], Person]) -> Person:
    """A participant."""
    return register("ada")


@pytest.fixture(scope="session")
def ramp_test_scores(
    organiser: Person, challenge_of: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path, str], dict[str, Any]]:
    """What ramp-workflow's own functions say of a submission, in the very packages that the platform has locked."""
    folder = tmp_path_factory.mktemp("ramp")
    environment = organiser.client.environment(challenge_of("ramp_iris"))
    lock = folder / "requirements.txt"
    lock.write_text(environment["requirements"])
    python = folder / "venv/bin/python"
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "venv", "--quiet", "--python", environment["python_version"], folder / "venv"], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock], check=True)

    def scores(kit: Path, submission: str) -> dict[str, Any]:
        copy = folder / kit.name
        shutil.copytree(kit, copy, dirs_exist_ok=True)
        # Threads as in the platform's sandbox, since sums in another order differ in the last digits.
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        script = Path(__file__).parent / "ramp_reference.py"
        done = subprocess.run(
            [python, script, copy, submission], env={**os.environ, **one_thread}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))

    return scores
