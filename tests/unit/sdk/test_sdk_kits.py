"""The kits of this repository."""

from __future__ import annotations

import ast
import json
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

from palio import kit

ROOT = Path(__file__).resolve().parents[3]
FILES = ("train.csv", "test.csv", "public/train.csv", "public/test.csv")


@pytest.fixture(params=["iris", "digits"])
def made(request: pytest.FixtureRequest) -> Path:
    return Path(request.getfixturevalue(request.param))


def test_no_row_is_in_two_files_and_the_public_ones_are_smaller(made: Path) -> None:
    tables = {name: pd.read_csv(made / "data" / name) for name in FILES}
    assert len(tables["public/train.csv"]) < len(tables["train.csv"])
    assert len(tables["public/test.csv"]) < len(tables["test.csv"])
    # Fisher's table itself holds one flower twice.
    doubled = 1 if made.name == "iris" else 0
    assert pd.concat(tables.values()).duplicated().sum() <= doubled


def test_every_class_is_in_every_file(made: Path) -> None:
    label = "species" if made.name == "iris" else "digit"
    for name in FILES:
        assert pd.read_csv(made / "data" / name)[label].nunique() == (3 if made.name == "iris" else 10)


def test_preparing_again_writes_the_same_bytes(made: Path) -> None:
    before = {name: (made / "data" / name).read_bytes() for name in FILES}
    runpy.run_path(str(made / "prepare_data.py"), run_name="__main__")
    assert before == {name: (made / "data" / name).read_bytes() for name in FILES}


def test_the_kit_fulfils_the_contract_and_its_starter_has_its_files(made: Path) -> None:
    problem = kit.load(made)
    for submission in (made / "submissions").iterdir():
        assert {path.name for path in submission.iterdir()} == set(problem.element_files)
    assert len(list((made / "submissions").iterdir())) >= 2


def test_the_notebook_is_one_and_its_code_parses(made: Path) -> None:
    notebook = json.loads((made / f"{made.name}_starting_kit.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    identifiers = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identifiers)) == len(identifiers)
    for cell in notebook["cells"]:
        assert cell.keys() >= {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            ast.parse("".join(cell["source"]))


def test_the_notebook_runs_from_top_to_bottom(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = json.loads((made / f"{made.name}_starting_kit.ipynb").read_text())
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    monkeypatch.chdir(made)
    monkeypatch.syspath_prepend(made)
    monkeypatch.delitem(sys.modules, "problem", raising=False)
    exec(compile(code, made.name, "exec"), {})
    del sys.modules["problem"]
    assert "acc " in capsys.readouterr().out


def test_the_data_of_the_ramp_kit_are_those_that_its_script_makes(tmp_path: Path) -> None:
    kit_folder = ROOT / "tests" / "kits" / "ramp_iris"
    script = tmp_path / "prepare_data.py"
    script.write_bytes((kit_folder / "prepare_data.py").read_bytes())
    runpy.run_path(str(script), run_name="__main__")
    for name in FILES:
        assert (tmp_path / "data" / name).read_bytes() == (kit_folder / "data" / name).read_bytes()
