"""`palio kit new`: a kit that runs as it is."""

from __future__ import annotations

import ast
import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from palio import kit as kits
from palio.cli import main
from palio.kit_check import findings
from palio.kit_template import FORMS
from palio.packing import packed_problem
from palio.trial import Trial


def _palio(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.mark.parametrize("workflow", FORMS)
def test_a_new_kit_has_no_fault_and_its_starter_is_trained_and_scored(workflow: str, tmp_path: Path) -> None:
    kit = tmp_path / "rain_in_siena"
    result = _palio("kit", "new", kit, "--workflow", workflow)
    assert result.exit_code == 0, result.output
    assert list(findings(kit)) == []
    loaded = kits.load(kit)
    assert loaded.title == "Rain in siena"
    said: list[tuple[str, dict[str, Any]]] = []
    Trial(loaded, kit / "submissions" / "starting_kit", lambda event, **more: said.append((event, more))).run()
    assert [event for event, _ in said] == ["start", *["fold"] * 5, "done"]
    for by_step in said[-1][1]["bagged"].values():
        assert by_step.keys() == {"valid", "test"}
        assert all(math.isfinite(score) for score in by_step.values())
    for name in loaded.element_files:
        assert name in (kit / "README.md").read_text()
        assert name in json.dumps(json.loads((kit / "rain_in_siena_starting_kit.ipynb").read_text()))


def test_the_commands_that_it_names_work_and_it_can_be_published(tmp_path: Path) -> None:
    kit = tmp_path / "rainfall"
    said = _palio("kit", "new", kit, "--title", "Rain, and how much").stderr
    assert f"palio kit check {kit}" in said
    checked = subprocess.run([sys.executable, "-m", "palio", "kit", "check", kit], capture_output=True, text=True, check=False)
    assert (checked.returncode, "Nothing is wrong with it" in checked.stderr) == (0, True), checked.stderr
    tested = subprocess.run([sys.executable, "-m", "palio", "test", kit], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "Rain, and how much" in tested.stdout
    with packed_problem(kit) as packed:
        assert packed.private is not None


def test_no_day_is_in_two_files(tmp_path: Path) -> None:
    _palio("kit", "new", tmp_path / "rainfall")
    days: list[tuple[str, ...]] = []
    for name in ("train.csv", "test.csv", "public/train.csv", "public/test.csv"):
        with (tmp_path / "rainfall" / "data" / name).open() as file:
            days += map(tuple, list(csv.reader(file))[1:])
    assert len(set(days)) == len(days) == 1000


def test_the_notebook_is_one_and_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = tmp_path / "rainfall"
    _palio("kit", "new", kit)
    notebook = json.loads((kit / "rainfall_starting_kit.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert {cell["cell_type"] for cell in notebook["cells"]} == {"code", "markdown"}
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    ast.parse(code)
    monkeypatch.chdir(kit)
    monkeypatch.syspath_prepend(kit)
    monkeypatch.delitem(sys.modules, "problem", raising=False)
    exec(compile(code, "notebook", "exec"), {})
    del sys.modules["problem"]


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    result = _palio("kit", "new", tmp_path / "mine")
    assert result.exit_code == 1
    assert "no empty folder" in result.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["My Problem", "x", "é" * 3, "-a", "a" * 64])
def test_a_name_that_no_problem_can_have_is_refused(name: str, tmp_path: Path) -> None:
    result = _palio("kit", "new", tmp_path / name)
    assert result.exit_code == 1
    assert "cannot be a problem's id" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("title", ['"', "a\\", "a\nb", "$title"])
def test_a_title_that_would_break_the_code_is_refused(title: str, tmp_path: Path) -> None:
    result = _palio("kit", "new", tmp_path / "rainfall", "--title", title)
    assert result.exit_code == 1
    assert "A title is one line" in result.stderr
    assert list(tmp_path.iterdir()) == []
