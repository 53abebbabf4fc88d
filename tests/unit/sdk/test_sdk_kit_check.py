"""`palio kit check`: what a kit lacks or does wrong, in words."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from palio.kit_check import Finding, findings

Edit = Callable[[str, str], None]


@pytest.fixture
def kit(iris: Path, tmp_path: Path) -> Path:
    """A copy of a kit in which nothing is wrong."""
    return Path(shutil.copytree(iris, tmp_path / "iris"))


@pytest.fixture
def edit(kit: Path) -> Edit:
    """Replace something in its problem.py."""

    def replace(old: str, new: str) -> None:
        source = (kit / "problem.py").read_text()
        assert old in source
        (kit / "problem.py").write_text(source.replace(old, new))

    return replace


def said(kit: Path) -> list[tuple[str, str]]:
    return [(each.level, each.words) for each in findings(kit)]


def check(kit: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "palio", "kit", "check", str(kit), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_nothing_is_said_of_a_kit_that_is_right(kit: Path) -> None:
    assert list(findings(kit)) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("problem_title = ", "title = ", "problem.py must define problem_title"),
        ("_labels = [", "_labels = ['unknown'] or [", "does not take the y of the training data: The label"),
        ("ShuffleSplit(n_splits=2, test_size=0.2, random_state=57).split(X, y)", "[(range(9), range(5, 20))]", "validates 4 rows that it"),
        ("ShuffleSplit(n_splits=2, test_size=0.2, random_state=57).split(X, y)", "[([0, 1], [])]", "has 2 rows to train on and 0"),
        ("ShuffleSplit(n_splits=2, test_size=0.2, random_state=57).split(X, y)", "[([0, 1], [999])]", "names row 999; there are"),
        ("return table.drop(columns=_target).to_numpy(),", "return table.drop(columns=_target).to_numpy()[1:],", "rows, and y has"),
        ('    rw.score_types.Accuracy(name="acc"),', "    type('Odd', (rw.score_types.Accuracy,), {'maximum': 0.5})(name='odd'),", "outside of its range"),
        ("workflow = rw.workflows.Classifier()", "workflow = rw.workflows.Regressor()", "has no regressor.py"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(kit: Path, edit: Edit, old: str, new: str, words: str) -> None:
    edit(old, new)
    assert any(level == "wrong" and words in said for level, said in said(kit)), said(kit)


def test_what_participants_will_miss_is_advice(kit: Path, edit: Edit) -> None:
    for name in ("requirements.txt", "README.md", "prepare_data.py", *(each.name for each in kit.glob("*.ipynb"))):
        (kit / name).unlink(missing_ok=True)
    (kit / "data" / "public").rename(kit / "data" / "elsewhere")
    edit("ShuffleSplit(n_splits=2, test_size=0.2, random_state=57).split(X, y)", "[(range(9), range(10, 20))]")
    found = said(kit)
    assert {level for level, _ in found} == {"advice"}
    told = "\n".join(words for _, words in found)
    for words in ("no requirements.txt", "no data/public", "neither a README.md", "validated by no fold", "makes one fold"):
        assert words in told


def test_folds_that_are_drawn_anew_each_time_are_advised_against(kit: Path, edit: Edit) -> None:
    edit(", random_state=57", "")
    assert [level for level, words in said(kit) if "give it a random_state" in words] == ["advice"]


def test_data_that_are_missing_end_the_check_with_the_remedy(kit: Path) -> None:
    for each in (kit / "data").glob("*.csv"):
        each.unlink()
    [finding] = findings(kit)
    assert isinstance(finding, Finding)
    assert finding.level == "wrong"
    assert "get_train_data(path) of problem.py failed" in finding.words


def test_the_command_checks_the_kit_and_trains_its_starter(kit: Path) -> None:
    fine = check(kit)
    assert (fine.returncode, fine.stdout) == (0, ""), fine.stderr
    assert "Nothing is wrong with it" in fine.stderr
    (kit / "submissions" / "starting_kit" / "classifier.py").write_text(
        "class Classifier:\n    def fit(self, X, y):\n        1 / 0\n"
    )
    broken = check(kit, "--json")
    assert broken.returncode == 1
    [finding] = json.loads(broken.stdout)["findings"]
    assert finding["level"] == "wrong"
    assert "The starter fails, train_error: ZeroDivisionError" in finding["words"]
    assert check(kit, "--no-starter").returncode == 0


def test_a_kit_that_ends_the_process_is_told_so(kit: Path, edit: Edit) -> None:
    edit("problem_title = ", "import os\nos._exit(0)\nproblem_title = ")
    ended = check(kit)
    assert ended.returncode == 1
    assert "ended by the kit's own code" in ended.stderr
