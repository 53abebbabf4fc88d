"""Each kind of workflow has a kit; `palio test` runs it, and ramp-workflow 0.7.0 predicts the same for it."""

from __future__ import annotations

import math
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import palio
from palio import kit as kits
from palio.kit_folder import Target
from palio.trial import Trial
from palio.trial_process import run_trial
from tests.support.workflow_kits import KITS

ROOT = Path(__file__).resolve().parents[3]
SOURCES = str(ROOT / "sdk" / "src")
#: What other workflows are made of.
PARTS = {"Calibrator", "Chain", "Element", "GridFeatureExtractor", "Workflow"}
Ramp = Callable[..., Any]


@pytest.mark.parametrize("name", [name for name, kit in KITS.items() if kit.needs is None])
def test_a_kit_is_trained_and_scored(name: str, tmp_path: Path) -> None:
    kit = KITS[name].write(tmp_path)
    said: list[dict[str, Any]] = []
    Trial(kits.load(kit), kit / "submissions" / "starting_kit", lambda event, **members: said.append({event: members})).run()
    (scores,) = said[-1]["done"]["bagged"].values()
    assert scores.keys() == {"valid", "test"}
    assert all(math.isfinite(score) for score in scores.values())


@pytest.mark.parametrize("name", [name for name, kit in KITS.items() if kit.needs is not None])
def test_a_kit_that_needs_a_library_of_its_own_is_trained_and_scored_where_that_is(
    name: str, tmp_path: Path, ramp_python: Path
) -> None:
    kit = KITS[name].write(tmp_path)
    (kit / ".venv").symlink_to(ramp_python.parent.parent)
    result = run_trial(Target(kit, kit / "submissions" / "starting_kit"))
    assert result.succeeded, (result.reason, result.traceback)


@pytest.mark.parametrize("name", [name for name, kit in KITS.items() if kit.is_ramps])
def test_a_submission_predicts_what_it_predicts_under_ramp(name: str, tmp_path: Path, ramp: Ramp) -> None:
    ours = KITS[name].write(tmp_path / "ours")
    theirs = KITS[name].write(tmp_path / "theirs", library="rampwf")
    found = ramp("workflow_predictions", str(ours), SOURCES)
    expected = ramp("workflow_predictions", str(theirs))
    assert len(found) == len(expected) == 2
    for our_fold, their_fold in zip(found, expected, strict=True):
        for our, their in zip(our_fold, their_fold, strict=True):
            assert_same(our, their)


@pytest.mark.parametrize("name", ["craters", "spectra", "external_data", "images", "many_labels", "iris"])
def test_a_kit_of_ramp_workflow_becomes_one_of_ours_by_its_import(name: str, tmp_path: Path, ramp: Ramp) -> None:
    theirs = _of_ramp_workflow(name, tmp_path / "theirs")
    ours = _with_our_import(shutil.copytree(theirs, tmp_path / "ours"))
    found, expected = ramp("workflow_predictions", str(ours), SOURCES), ramp("workflow_predictions", str(theirs))
    assert len(found) == len(expected) >= 2
    for our_fold, their_fold in zip(found, expected, strict=True):
        for our, their in zip(our_fold, their_fold, strict=True):
            assert_same(our, their)


@pytest.mark.parametrize("name", ["fold_aware", "el_nino", "clustering"])
def test_so_it_does_where_ramp_fails_or_differs_or_wants_the_fold(name: str, tmp_path: Path, ramp_python: Path) -> None:
    # RAMP's folds of clusters need a function that numpy 2.4 has no more; of a series it trains on some rows that are not its own.
    kit = _with_our_import(_of_ramp_workflow(name, tmp_path / name))
    (kit / ".venv").symlink_to(ramp_python.parent.parent)
    result = run_trial(Target(kit, kit / "submissions" / "starting_kit"))
    assert result.succeeded, (result.reason, result.traceback)


def test_a_submission_that_looks_ahead_fails_in_words(tmp_path: Path, ramp_python: Path) -> None:
    kit = _with_our_import(_of_ramp_workflow("el_nino", tmp_path / "el_nino"))
    (kit / ".venv").symlink_to(ramp_python.parent.parent)
    result = run_trial(Target(kit, kit / "submissions" / "looks_ahead"))
    assert result.outcome == "train_error"
    assert result.reason is not None
    assert result.reason.startswith("ValueError: The feature extractor looks at least ")
    assert "The features of a row may use X up to the time of that row, and nothing later." in result.reason


def _of_ramp_workflow(name: str, folder: Path) -> Path:
    """A copy of one of the kits the RAMP way, with its data."""
    shutil.copytree(ROOT / "tests" / "kits" / f"ramp_{name}", folder)
    if (folder / "prepare_data.py").exists():
        runpy.run_path(str(folder / "prepare_data.py"), run_name="__main__")
    return folder


def _with_our_import(kit: Path) -> Path:
    """The kit with `palio` for `rampwf` in what it imports."""
    for file in kit.rglob("*.py"):
        file.write_text(file.read_text().replace("import rampwf", "import palio").replace("from rampwf", "from palio"))
    return kit


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    """Equal to 1e-12; rows may be lists of different lengths."""
    assert len(ours) == len(theirs) > 0
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.array(our, float), np.array(their, float), rtol=1e-12, atol=1e-12)


def test_every_workflow_of_ramp_is_there_and_compared(ramp: Ramp) -> None:
    compared = {_workflow(kit.problem) for kit in KITS.values() if kit.is_ramps}
    assert compared == set(ramp("workflow_names")) <= set(palio.workflows.__all__)


def test_every_workflow_has_a_kit() -> None:
    assert {_workflow(kit.problem) for kit in KITS.values()} == set(palio.workflows.__all__) - PARTS


def _workflow(problem: str) -> str:
    """The class of the workflow in the source of a kit."""
    return problem.split("workflow = rw.workflows.")[1].split("(", maxsplit=1)[0]
