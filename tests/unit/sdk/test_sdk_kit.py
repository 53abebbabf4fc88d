from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import palio
from palio import kit
from palio.kit import KitError

WHOLE = """
import palio as rw
problem_title = "Coins"
Predictions = rw.prediction_types.make_regression()
workflow = rw.workflows.Estimator()
score_types = [rw.score_types.RMSE()]
def get_cv(X, y):
    yield [0], [1]
def get_train_data(path="."):
    return [1, 2], [3, 4]
def get_test_data(path="."):
    return None, None
"""


def _kit(folder: Path, source: str = WHOLE) -> Path:
    (folder / "problem.py").write_text(source)
    return folder


def test_a_kit_is_loaded_with_all_that_it_defines(tmp_path: Path) -> None:
    problem = kit.load(_kit(tmp_path))
    assert problem.title == "Coins"
    assert problem.element_files == ("estimator.py",)
    assert problem.train_data() == ([1, 2], [3, 4])
    assert problem.test_data() == (None, None)
    assert [(train.tolist(), valid.tolist()) for train, valid in problem.folds(None, None)] == [([0], [1])]
    assert not problem.takes_fold


@pytest.mark.parametrize("member", kit.MEMBERS)
def test_a_missing_member_is_named(tmp_path: Path, member: str) -> None:
    source = WHOLE + f"\ndel {member}\n"
    with pytest.raises(KitError, match=f"must define {member}"):
        kit.load(_kit(tmp_path, source))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("1 / 0", "could not be imported: ZeroDivisionError"),
        ("import no_such_library", "pip install no_such_library"),
        ("score_types = []", "at least one metric"),
        ("score_types = [object()]", "object in score_types of problem.py lacks name"),
        ("score_types *= 2", "same name, rmse"),
        ("workflow = 3", "is a int, which lacks element_names"),
        ("Predictions = 3", "must be callable"),
    ],
)
def test_a_wrong_problem_is_told_in_words(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(KitError, match=message):
        kit.load(_kit(tmp_path, f"{WHOLE}\n{change}\n"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("def get_train_data(path): return 1", r"must return a pair, X and y; it returned a int"),
        ("def get_train_data(path): return None, None", "returned no data"),
        ("def get_train_data(path): raise OSError('no such file')", r"get_train_data\(path\) of problem.py failed"),
    ],
)
def test_wrong_data_are_told_in_words(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(KitError, match=message):
        kit.load(_kit(tmp_path, f"{WHOLE}\n{change}\n")).train_data()


def test_data_that_a_script_would_make_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "prepare_data.py").touch()
    failing = f"{WHOLE}\ndef get_train_data(path): open(path + '/data/train.csv')\n"
    with pytest.raises(KitError, match=r"run `python prepare_data.py`") as caught:
        kit.load(_kit(tmp_path, failing)).train_data()
    assert "FileNotFoundError" in (caught.value.detail or "")


def test_a_kit_without_folds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="returned no folds"):
        kit.load(_kit(tmp_path, f"{WHOLE}\ndef get_cv(X, y): return []\n")).folds(None, None)


def test_a_folder_that_is_no_kit_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(KitError, match=r"no kit: it has no problem.py"):
        kit.load(tmp_path)


def test_external_imports_can_be_imported_by_the_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", sys.path.copy())
    (tmp_path / "external_imports").mkdir()
    (tmp_path / "external_imports" / "coins_of_the_kit.py").write_text("TITLE = 'Old coins'")
    problem = kit.load(_kit(tmp_path, f"{WHOLE}\nfrom coins_of_the_kit import TITLE as problem_title\n"))
    assert problem.title == "Old coins"
    del sys.modules["coins_of_the_kit"]


def test_importing_palio_waits_for_no_library() -> None:
    heavy = "import palio, sys; sys.exit(any(name in sys.modules for name in ('numpy', 'sklearn', 'httpx', 'rich', 'click')))"
    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0
    assert {"score_types", "workflows", "prediction_types", "kit"} <= set(dir(palio))
    with pytest.raises(AttributeError, match="no attribute 'score_type'"):
        palio.score_type  # noqa: B018 - the access is the test


def test_the_version_stands_in_two_places_and_is_the_same() -> None:
    project = Path(palio.__file__).parents[2] / "pyproject.toml"
    assert f'version = "{palio.__version__}"' in project.read_text()
