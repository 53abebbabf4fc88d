"""`palio test`, run as a user runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from palio import kit
from palio.kit_folder import Target
from palio.submission_errors import SubmissionError
from palio.trial import Trial
from palio.trial_process import _death, run_trial

GOOD = """
import numpy as np
class Classifier:
    def fit(self, X, y): ...
    def predict_proba(self, X):
        return np.full((len(X), 3), 1 / 3)
"""


def _palio_test(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "palio", "test", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def _with_submission(kit: Path, source: str) -> Path:
    folder = kit / "submissions" / "mine"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "classifier.py").write_text(source)
    return folder


def test_both_submissions_of_iris_get_scores_and_the_better_one_is_better(iris: Path) -> None:
    accuracy = {}
    for submission in ("starting_kit", "forest"):
        said: list[dict[str, Any]] = []
        Trial(
            kit.load(iris), iris / "submissions" / submission, lambda event, said=said, **members: said.append({event: members})
        ).run()
        assert [next(iter(event)) for event in said] == ["start", "fold", "fold", "done"]
        accuracy[submission] = said[-1]["done"]["bagged"]["acc"]["valid"]
    assert accuracy["forest"] > accuracy["starting_kit"] > 0.5


def test_the_tables_show_each_fold_their_mean_and_the_bag(digits: Path) -> None:
    finished = _palio_test("starting_kit", "--quick", cwd=digits)
    assert finished.returncode == 0, finished.stderr
    for heading in ("Handwritten digits", "Fold 1", "Fold 2", "Mean of 2 folds", "Bagged", "acc", "nll", "time (s)"):
        assert heading in finished.stdout
    assert "Fold 3" not in finished.stdout
    assert finished.stdout.count("\ntest ") == 4
    assert "±" in finished.stdout


def test_what_a_submission_prints_stays_out_of_the_result(iris: Path) -> None:
    noisy = "import os, sys\nprint('from python')\nos.write(1, b'from below \\xff\\n')\nos.system('echo from a child')\n" + GOOD
    _with_submission(iris, noisy)
    finished = subprocess.run([sys.executable, "-m", "palio", "test", iris, "mine", "--json"], capture_output=True, check=False)
    assert json.loads(finished.stdout)["state"] == "scored"
    for text in (b"from python", b"from below", b"from a child"):
        assert text in finished.stderr


@pytest.mark.parametrize(
    ("source", "outcome", "words"),
    [
        ("import no_such_library", "import_error", "No module named 'no_such_library'"),
        ("def broken(:\n    pass", "import_error", "SyntaxError"),
        ("class Clasifier: ...", "train_error", "classifier.py must define Classifier"),
        (GOOD.replace("y): ...", "y): raise ValueError('too few flowers')"), "train_error", "too few flowers"),
        (GOOD.replace("y): ...", "y): exit(0)"), "crashed", "SystemExit"),
        (GOOD.replace("y): ...", "y): raise MemoryError"), "memory_limit", "MemoryError"),
        (GOOD.replace("return", "return unknown +"), "predict_error", "'unknown' is not defined"),
        (GOOD.replace("3)", "2)"), "bad_predictions", "shape (rows, 3)"),
        (GOOD.replace("1 / 3", "np.nan"), "bad_predictions", "NaN"),
        (GOOD.replace("len(X)", "len(X) - 1"), "bad_predictions", "There must be 75 predictions"),
        (GOOD.replace("np.full((len(X), 3), 1 / 3)", "7"), "bad_predictions", "must be an array"),
    ],
)
def test_a_failing_submission_gets_the_outcome_that_the_platform_gives(iris: Path, source: str, outcome: str, words: str) -> None:
    folder = _with_submission(iris, source)
    with pytest.raises(SubmissionError, match=re.escape(words)) as caught:
        Trial(kit.load(iris), folder, lambda *_, **__: None).run()
    assert caught.value.outcome == outcome
    frames = [line for line in (caught.value.trace or "").splitlines() if line.startswith("  File ")]
    assert all(str(folder) in frame for frame in frames[:1])
    assert bool(frames) == (outcome != "bad_predictions" and "Clasifier" not in source)


def test_a_submission_that_takes_its_process_along_has_crashed(iris: Path) -> None:
    folder = _with_submission(iris, "import os\n" + GOOD.replace("y): ...", "y): os._exit(3)"))
    result = run_trial(Target(iris, folder))
    assert result.outcome == "crashed"
    assert result.reason == "The process ended with exit code 3 before all folds were trained."
    assert result.as_submission()["state"] == "failed"


def test_a_process_that_was_ended_by_a_signal_is_told_by_its_name() -> None:
    assert _death(-9) == "The process was ended by SIGKILL before all folds were trained. Perhaps the memory ran out."
    assert "SIGSEGV" in _death(-11)
    assert "signal 99" in _death(-99)


def test_a_failing_submission_ends_the_command_with_its_traceback(iris: Path) -> None:
    folder = _with_submission(iris, GOOD.replace("y): ...", "y): raise ValueError('too few flowers')"))
    finished = _palio_test(iris, "mine", "--json")
    assert finished.returncode == 1
    found = json.loads(finished.stdout)
    assert (found["state"], found["outcome"], found["scores"]) == ("failed", "train_error", None)
    assert "train_error in fold 1: ValueError: too few flowers" in finished.stderr
    assert f'File "{folder / "classifier.py"}", line 4, in fit' in finished.stderr


def test_a_folder_without_a_kit_is_told_how_to_get_one(tmp_path: Path) -> None:
    finished = _palio_test(cwd=tmp_path)
    assert finished.returncode == 1
    assert "palio start CHALLENGE" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_the_environment_of_the_kit_is_used_where_there_is_one(iris: Path, tmp_path: Path) -> None:
    kit = tmp_path / "iris"
    shutil.copytree(iris, kit)
    _with_submission(kit, f"import os, sys\nprint('prefix', sys.prefix)\n{GOOD}")
    python = kit / ".venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", kit / ".venv"], check=True)
    # What is installed for the tests, so that the environment need not be filled from an index.
    own = next(path for path in sys.path if path.endswith("site-packages"))
    next((kit / ".venv" / "lib").glob("python*/site-packages")).joinpath("tests.pth").write_text(f"{own}\n")
    finished = _palio_test(kit, "mine", "--quick")
    assert finished.returncode == 0, finished.stderr
    assert f"prefix {kit / '.venv'}" in finished.stderr
    assert os.access(python, os.X_OK)
