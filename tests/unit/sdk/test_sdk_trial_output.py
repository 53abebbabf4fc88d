"""What `palio test` keeps of a trial, and what else it may be asked for."""

from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palio import kit as kits
from palio.contract_errors import KitError
from palio.saved_predictions import as_array, load_y_pred, save_model
from palio.submission_errors import SubmissionError
from palio.training_output import TrainingOutput, read_table
from palio.trial import Trial
from palio.trial_choices import Choices, check_label

ROOT = Path(__file__).resolve().parents[3]
Say = list[tuple[str, dict[str, Any]]]
#: Counts how often it was trained, which it learns from the model before it.
GROWING = """
import numpy as np
class Classifier:
    def fit(self, X, y, before=None):
        self.rounds = 1 if before is None else before.rounds + 1
    def predict_proba(self, X):
        found = np.full((len(X), 3), 1.0)
        found[:, 0] += self.rounds
        return found / found.sum(axis=1, keepdims=True)
"""


@pytest.fixture
def kit(iris: Path, tmp_path: Path) -> Path:
    """A copy of the iris kit."""
    return Path(shutil.copytree(iris, tmp_path / "iris", ignore=shutil.ignore_patterns("training_output", "mine")))


def _try(kit: Path, choices: Choices, submission: str = "starting_kit") -> Say:
    said: Say = []
    loaded = kits.load(kit, choices.data_label)
    Trial(loaded, kit / "submissions" / submission, lambda event, **more: said.append((event, more)), choices).run()
    return said


def _written(kit: Path, source: str) -> Path:
    folder = kit / "submissions" / "mine"
    folder.mkdir(exist_ok=True)
    (folder / "classifier.py").write_text(source)
    return folder / "training_output"


def _edit(kit: Path, old: str, new: str) -> None:
    source = (kit / "problem.py").read_text()
    assert old in source
    (kit / "problem.py").write_text(source.replace(old, new))


def test_what_is_kept_is_what_ramp_test_keeps(ramp: Callable[..., Any], tmp_path: Path) -> None:
    ours, theirs = (Path(shutil.copytree(ROOT / "tests" / "kits" / "ramp_iris", tmp_path / name)) for name in ("ours", "theirs"))
    _edit(ours, "import rampwf as rw", "import palio as rw")
    ramp("kept_output", str(theirs), "discriminant")
    _try(ours, Choices(save_output=True, retrain=True, pickle=True), "discriminant")

    our_output, their_output = (each / "submissions" / "discriminant" / "training_output" for each in (ours, theirs))
    files = {str(path.relative_to(our_output)) for path in our_output.rglob("*.*")}
    assert files - {"metrics.json", "retrained_scores.csv"} == {
        str(path.relative_to(their_output)) for path in their_output.rglob("*.*")
    }
    for name in sorted(files):
        if name.endswith(".npz"):
            our_y_pred, their_y_pred = (np.load(each / name)["y_pred"] for each in (our_output, their_output))
            np.testing.assert_array_equal(our_y_pred, their_y_pred)
        elif name.endswith("scores.csv") and name != "retrained_scores.csv":
            _assert_same_table(our_output / name, their_output / name)
        elif name == "state.txt":
            assert (our_output / name).read_text() == (their_output / name).read_text() == "tested"
        elif name.endswith("state.txt"):
            assert (our_output / name).read_text() == (their_output / name).read_text() == "scored"


def _assert_same_table(one: Path, other: Path) -> None:
    tables = []
    for path in (one, other):
        with path.open() as file:
            tables.append([{key: cell for key, cell in line.items() if key != "time"} for line in csv.DictReader(file)])
    assert [list(line) for line in tables[0]] == [list(line) for line in tables[1]]
    for ours, theirs in zip(*tables, strict=True):
        assert {key: ours[key] for key in ("step", "n_bag") if key in ours} == {
            key: theirs[key] for key in ("step", "n_bag") if key in theirs
        }
        scores = [[float(cell) for key, cell in line.items() if key not in {"step", "n_bag"}] for line in (ours, theirs)]
        np.testing.assert_allclose(*scores, rtol=0, atol=1e-12)


def test_retraining_scores_the_whole_training_set_and_the_test_set(kit: Path) -> None:
    said = _try(kit, Choices(retrain=True))
    assert [event for event, _ in said] == ["start", "fold", "fold", "retrained", "done"]
    retrained = said[3][1]
    assert retrained["scores"]["acc"].keys() == {"train", "test"}
    assert retrained["times"].keys() == {"train", "test"}


def test_without_being_asked_nothing_is_kept(kit: Path) -> None:
    _try(kit, Choices(retrain=True))
    assert not (kit / "submissions" / "starting_kit" / "training_output").exists()


def test_an_earlier_trial_leaves_nothing_behind_but_its_models(kit: Path) -> None:
    output = _written(kit, GROWING)
    _try(kit, Choices(save_output=True, pickle=True, retrain=True), "mine")
    (output / "fold_7").mkdir()
    _written(kit, GROWING.replace("return found", "raise ValueError('no more')\n        return found"))
    with pytest.raises(SubmissionError):
        _try(kit, Choices(save_output=True), "mine")
    assert sorted(str(path.relative_to(output)) for path in output.rglob("*")) == [
        "fold_0",
        "fold_0/error.txt",
        "fold_0/state.txt",
        "fold_0/trained_model.pkl",
        "fold_1",
        "fold_1/trained_model.pkl",
        "metrics.json",
        "retrained_model.pkl",
    ]
    assert (output / "fold_0" / "state.txt").read_text() == "validating_error"
    assert "ValueError: no more" in (output / "fold_0" / "error.txt").read_text()
    assert TrainingOutput(output.parent).bagged() is None


def test_a_model_is_trained_further_from_where_it_was_kept(kit: Path) -> None:
    _written(kit, GROWING)
    choices = Choices(pickle=True, partial_train=True, save_output=True)
    first, second = _try(kit, choices, "mine"), _try(kit, choices, "mine")
    assert [event for event, _ in first].count("note") == 2
    assert "to train further: trained from the beginning" in first[1][1]["words"]
    assert "note" not in [event for event, _ in second]
    fold = kit / "submissions" / "mine" / "training_output" / "fold_1"
    np.testing.assert_allclose(load_y_pred(kits.load(kit), fold, "test")[:, 0], 3 / 5)


def test_a_workflow_that_cannot_train_further_is_told_of_before_anything_is_trained(kit: Path) -> None:
    workflow = "class Plain(rw.workflows.Classifier):\n    def train_submission(self, module_path, X, y, train_is=None): ...\n\n"
    _edit(kit, "workflow = rw.workflows.Classifier()", f"{workflow}workflow = Plain()")
    with pytest.raises(KitError, match="takes no prev_trained_model"):
        _try(kit, Choices(partial_train=True))


def test_a_model_that_cannot_be_pickled_is_named_with_the_reason(kit: Path) -> None:
    output = _written(kit, GROWING.replace("self.rounds =", "self.lock = __import__('threading').Lock()\n        self.rounds ="))
    said = _try(kit, Choices(pickle=True), "mine")
    words = [members["words"] for event, members in said if event == "note"]
    assert len(words) == 2
    assert "The model cannot be pickled" in words[0]
    assert "TypeError" in words[0]
    assert not list(output.rglob("*.pkl"))


def test_a_damaged_model_says_how_to_make_a_new_one(kit: Path) -> None:
    output = _written(kit, GROWING)
    (output / "fold_0").mkdir(parents=True)
    (output / "fold_0" / "trained_model.pkl").write_bytes(b"no pickle")
    with pytest.raises(KitError, match="Train it anew: palio test --pickle"):
        _try(kit, Choices(partial_train=True), "mine")


def test_a_data_label_chooses_the_data_and_the_folder(kit: Path) -> None:
    for name in ("train", "test"):
        _edit(kit, f'def get_{name}_data(path=".")', f'def get_{name}_data(path=".", data_label="")')
        _edit(kit, f'return _read(path, "{name}.csv")', f'return _read(path, f"{{data_label}}/{name}.csv")')
    _try(kit, Choices(data_label="public", save_output=True))
    output = kit / "submissions" / "starting_kit" / "training_output"
    assert [path.name for path in output.iterdir()] == ["public"]
    n_public = len((kit / "data" / "public" / "test.csv").read_text().splitlines()) - 1
    assert len(load_y_pred(kits.load(kit), output / "public" / "fold_0", "test")) == n_public


def test_a_kit_with_one_data_set_takes_no_label(kit: Path) -> None:
    with pytest.raises(KitError, match="Leave --data-label out"):
        _try(kit, Choices(data_label="public"))


@pytest.mark.parametrize("label", ["..", ".", "a/b", "/tmp", "a\\b", "C:", ""])
def test_a_label_that_leads_elsewhere_is_refused(label: str) -> None:
    with pytest.raises(KitError, match="cannot be a data label"):
        check_label(label)


def test_the_kits_own_way_of_saving_is_used(kit: Path) -> None:
    own = """
def save_y_pred(y_pred, data_path, output_path, suffix):
    (Path(output_path) / f"{suffix}.txt").write_text(str(len(y_pred)))

def load_y_pred(data_path, input_path, suffix):
    return int((Path(input_path) / f"{suffix}.txt").read_text())

def save_submission(y_pred, data_path, output_path, suffix):
    (Path(output_path) / f"submission_{suffix}.txt").write_text(str(y_pred.shape))
"""
    (kit / "problem.py").write_text((kit / "problem.py").read_text() + own)
    _try(kit, Choices(save_output=True, retrain=True))
    output = kit / "submissions" / "starting_kit" / "training_output"
    assert load_y_pred(kits.load(kit), output / "fold_0", "train") == 75
    assert {path.name for path in output.glob("submission_*")} == {
        f"submission_{suffix}.txt" for suffix in ("_bagged_valid", "_bagged_test", "retrain_train", "retrain_test")
    }


def test_a_failing_metric_is_the_kits_fault(kit: Path) -> None:
    _edit(
        kit,
        "score_types = [",
        "class Odd(rw.score_types.Accuracy):\n    __call__ = None\n\nscore_types = [\n    Odd(name='odd'),",
    )
    with pytest.raises(KitError, match=r"A metric of problem\.py failed: TypeError"):
        _try(kit, Choices())


def test_predictions_that_are_not_there_or_damaged_say_how_to_get_them(kit: Path) -> None:
    problem = kits.load(kit)
    with pytest.raises(KitError, match="palio test --save-output"):
        load_y_pred(problem, kit, "test")
    (kit / "y_pred_test.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(KitError, match="is damaged"):
        load_y_pred(problem, kit, "test")


def test_lists_of_different_lengths_come_back_as_they_were(kit: Path) -> None:
    circles = [[(0.5, 1.0, 2.0, 3.0)], [], [(0.1, 4.0, 4.0, 1.0), (0.2, 8.0, 8.0, 2.0)]]
    np.savez_compressed(kit / "y_pred_test", y_pred=as_array(circles))
    assert list(load_y_pred(kits.load(kit), kit, "test")) == circles


@given(
    valid=st.lists(st.lists(st.floats(allow_nan=False), min_size=2, max_size=2), min_size=1, max_size=5), has_test=st.booleans()
)
def test_scores_are_written_with_all_their_digits(
    tmp_path_factory: pytest.TempPathFactory, valid: list[list[float]], *, has_test: bool
) -> None:
    output = TrainingOutput(tmp_path_factory.mktemp("submission"))
    columns = {
        name: {"valid": [row[place] for row in valid], **({"test": [row[place] for row in valid]} if has_test else {})}
        for place, name in enumerate(("acc", "a, b"))
    }
    output.write_bagged(columns)
    found = output.bagged()
    assert found is not None
    assert found.keys() == ({"valid", "test"} if has_test else {"valid"})
    assert found["valid"] == {name: by_step["valid"][-1] for name, by_step in columns.items()}


def test_a_score_that_is_no_number_is_an_empty_cell(tmp_path: Path) -> None:
    output = TrainingOutput(tmp_path)
    output.write_bagged({"acc": {"valid": [math.nan]}})
    assert output.bagged() == {"valid": {"acc": None}}


@pytest.mark.parametrize("content", [b"step,acc\nvalid\n", b"acc\n1\n", b"\xff\xfe\x00", b"step,n_bag,acc\nvalid,0,much\n"])
def test_a_damaged_table_is_named(tmp_path: Path, content: bytes) -> None:
    output = TrainingOutput(tmp_path)
    output.folder.mkdir()
    (output.folder / "bagged_scores.csv").write_bytes(content)
    with pytest.raises(KitError, match="Test the submission again"):
        output.bagged()
    assert read_table(tmp_path / "nothing.csv") is None


def test_a_notebook_without_what_runs_it_says_what_to_install(kit: Path) -> None:
    finished = _palio_test(kit, "--notebook")
    assert finished.returncode == 1
    assert "pip install nbclient ipykernel" in finished.stderr


def test_a_kit_without_a_notebook_is_told_how_it_would_be_called(kit: Path) -> None:
    (kit / "iris_starting_kit.ipynb").unlink()
    finished = _palio_test(kit, "--notebook", "--json")
    assert finished.returncode == 1
    assert "It would be called iris_starting_kit.ipynb" in finished.stderr
    assert json.loads(finished.stdout)["state"] == "scored"


def _palio_test(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "palio", "test", *map(str, arguments), "--jobs", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_folder_that_cannot_be_made_is_named(kit: Path) -> None:
    (kit / "submissions" / "starting_kit" / "training_output").write_text("in the way")
    finished = _palio_test(kit, "starting_kit", "--save-output")
    assert finished.returncode == 1
    assert "system_error" in finished.stderr
    assert "training_output: File exists" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_nothing_is_left_of_a_model_that_cannot_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "trained_model.pkl"
    file.write_bytes(b"of an earlier trial")
    makes: Callable[[], Any] = lambda: (_ for _ in ())  # noqa: E731 - a generator, which nothing can pickle
    assert save_model(makes(), file) is not None
    assert not file.exists()
