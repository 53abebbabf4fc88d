"""`palio test` with several folds at the same time, and with several submissions."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from palio.contract_errors import KitError
from palio.kit_folder import Target, find_targets
from palio.trial_process import TrialResult, run_trial
from tests.support.waiting import wait_until

#: Waits until as many processes as `TOGETHER` says train a fold, so that no fast machine does with fewer.
MEETING = """
import os, pathlib, time
import numpy as np

here, end = pathlib.Path(__file__).parent, time.monotonic() + 60
def meet():
    (here / f"{os.getpid()}.here").touch()
    while len(list(here.glob("*.here"))) < int(os.environ.get("TOGETHER", "1")) and time.monotonic() < end: pass
"""
#: Its numbers depend on the global generator, and on nobody having changed X before.
TOUCHY = f"""{MEETING}
class Classifier:
    def fit(self, X, y):
        meet()
        self.shift = np.random.random() + float(np.abs(X).max())
    def predict_proba(self, X):
        print("the largest is", X.max())
        found = np.exp(np.sin(X[:, :3] * self.shift))
        X *= 100
        return found / found.sum(axis=1, keepdims=True)
"""
#: Says of each row whether it was trained on it.
BY_HEART = f"""{MEETING}
class Classifier:
    def fit(self, X, y):
        meet()
        self.rows = {{row.tobytes() for row in X}}
    def predict_proba(self, X):
        return np.array([[0.8, 0.1, 0.1] if row.tobytes() in self.rows else [0.1, 0.1, 0.8] for row in X])
"""
FAILING = f"""{MEETING}
class Classifier:
    def fit(self, X, y):
        meet()
        print("before it broke")
        raise ValueError("no flowers today")
"""
#: Never ends by itself, nor does its child.
ENDLESS = """
import os, pathlib, signal, subprocess, sys
class Classifier:
    def fit(self, X, y):
        subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        pathlib.Path(__file__).with_suffix(".here").touch()
        signal.pause()
"""


@pytest.fixture
def kit(iris: Path, tmp_path: Path) -> Path:
    """A copy of the iris kit with the starter alone."""
    copy = Path(shutil.copytree(iris, tmp_path / "iris"))
    for name in ("forest", "mine"):
        shutil.rmtree(copy / "submissions" / name, ignore_errors=True)
    return copy


def _written(kit: Path, source: str, name: str = "mine") -> Target:
    folder = kit / "submissions" / name
    folder.mkdir()
    (folder / "classifier.py").write_text(source)
    return Target(kit, folder)


def _at_once(target: Target, monkeypatch: pytest.MonkeyPatch, together: int = 2) -> TrialResult:
    monkeypatch.setenv("TOGETHER", str(together))
    for met_before in target.submission.glob("*.here"):
        met_before.unlink()
    return run_trial(target, at_once=2, head_start_s=0)


def test_folds_at_the_same_time_give_the_numbers_of_one_after_another(
    kit: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    target = _written(kit, TOUCHY)
    one_after_another = run_trial(target)
    assert one_after_another.succeeded, one_after_another
    at_once = _at_once(target, monkeypatch)
    assert [fold["scores"] for fold in at_once.folds] == [fold["scores"] for fold in one_after_another.folds]
    assert at_once.bagged == one_after_another.bagged
    said = capfd.readouterr().err
    assert len(list(target.submission.glob("*.here"))) == 2
    # Four times plainly, then four times with the fold before it.
    assert said.count("the largest is") == 8
    for fold in ("fold 1 | ", "fold 2 | "):
        assert said.count(f"{fold}the largest is 7.") == 2


def test_folds_that_a_kit_draws_anew_each_time_are_those_of_the_first_process(kit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = kit / "problem.py"
    drawn = problem.read_text().replace("random_state=57", "random_state=int.from_bytes(os.urandom(3), 'big')")
    seen = "class Seen(rw.score_types.BaseScoreType):\n    def __call__(self, y_true, y_pred):\n        return float((y_pred[:, 0] > 0.5).mean())"
    problem.write_text(f"{drawn}\n\n{seen}\n\n\nscore_types = [Seen('seen')]\n")
    result = _at_once(_written(kit, BY_HEART), monkeypatch)
    assert result.bagged is not None, result
    # Of other folds four in five rows would be known. One flower is twice in the table.
    seen_of_bag = result.bagged["seen"]["valid"]
    assert seen_of_bag is not None
    assert seen_of_bag < 0.1


def test_quick_folds_are_trained_by_one_process_whatever_may_be_started(kit: Path) -> None:
    target = _written(kit, TOUCHY)
    assert run_trial(target, at_once=8, head_start_s=60).succeeded
    assert len(list(target.submission.glob("*.here"))) == 1


def test_the_output_of_a_fold_that_fails_is_shown_and_the_others_are_ended(
    kit: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    result = _at_once(_written(kit, FAILING), monkeypatch)
    assert (result.outcome, result.reason) == ("train_error", "ValueError: no flowers today")
    assert result.failed_fold in {0, 1}
    assert f"fold {result.failed_fold + 1} | before it broke" in capfd.readouterr().err


def test_a_process_that_ends_while_its_child_holds_the_pipes_has_crashed(kit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A fork, unlike another program, has every pipe of the process.
    leaves = "import signal\nif os.fork() == 0:\n    signal.pause()\nos._exit(3)"
    source = FAILING.replace('raise ValueError("no flowers today")', leaves.replace("\n", "\n        "))
    result = _at_once(_written(kit, source), monkeypatch, together=1)
    assert (result.outcome, result.failed_fold) == ("crashed", 0)
    assert result.reason == "The process ended with exit code 3 before all folds were trained."


# With one process a submission's own children are left to themselves, as they are where it is the terminal's.
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interruption_ends_all_processes(kit: Path, jobs: int) -> None:
    target = _written(kit, ENDLESS if jobs > 1 else ENDLESS.replace("subprocess.Popen(", "str("))
    command = [sys.executable, "-m", "palio", "test", kit, "mine", "--jobs", str(jobs)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: any(target.submission.glob("*.here")), "a fold is trained")
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) == jobs
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM
    _, alive = psutil.wait_procs(started, timeout=10)
    assert all(each.status() == psutil.STATUS_ZOMBIE for each in alive)


def test_all_submissions_are_tried_and_the_failing_ones_listed(kit: Path) -> None:
    _written(kit, TOUCHY)
    _written(kit, "class Classifier: nothing", "broken")
    (kit / "submissions" / "training_output").mkdir()
    finished = subprocess.run(
        [sys.executable, "-m", "palio", "test", kit, "ALL", "--jobs", "1"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    board = finished.stdout[finished.stdout.index("All submissions, bagged") :].splitlines()
    assert board[1].startswith("submission    acc valid")
    assert [line.split()[0] for line in board[2:]] == ["starting_kit", "mine"]
    assert "broken failed, import_error: NameError: name 'nothing' is not defined" in finished.stderr


def test_all_submissions_as_json_are_a_list(kit: Path) -> None:
    _written(kit, TOUCHY)
    finished = subprocess.run(
        [sys.executable, "-m", "palio", "test", kit, "--submission", "ALL", "--jobs", "1", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert [each["name"] for each in json.loads(finished.stdout)["submissions"]] == ["mine", "starting_kit"]


def test_all_of_no_submissions_is_refused(kit: Path) -> None:
    shutil.rmtree(kit / "submissions")
    with pytest.raises(KitError, match="holds no submission"):
        find_targets([str(kit), "ALL"])
