"""Kits that users of RAMP wrote get the numbers that ramp-workflow gives them, to 1e-9, on every fold and every prefix of them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from shared.artefacts.archives import pack_folder
from shared.execution.sandbox import Bubblewrap
from shared.execution.scoring import Scores
from shared.execution.stations import ColdStations, Environment
from tests.integration.execution.layout import Laid, lay_out
from tests.integration.execution.programs import ROOT
from tests.integration.execution.ramp_kits import RAMP_KITS

_RAMP_IRIS = ROOT / "tests" / "kits" / "ramp_iris"


def kit_folder(name: str, folder: Path) -> Path:
    """The kit as a user of RAMP has it."""
    if name == "iris":
        shutil.copytree(_RAMP_IRIS, folder)
        return folder
    for file, content in RAMP_KITS[name].files().items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def ramp_numbers(environment: Environment, kit: Path, submission: str) -> dict[str, dict[str, dict[str, list[float]]]]:
    command = [environment.folder / "bin" / "python", "-B", ROOT / "tests/support/ramp_numbers.py", kit, submission]
    done = subprocess.run(command, check=True, capture_output=True, env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin"})
    return json.loads(done.stdout)


def as_ramp(scores: Scores, laid: Laid) -> dict[str, object]:
    parts = ("train", "valid", "test") if laid.prepared.description.n_test is not None else ("train", "valid")
    folds: list[dict[str, dict[str, float | None]]] = [{} for _ in range(laid.prepared.description.n_folds)]
    for score in scores.folds:
        folds[score.fold][score.metric] = {part: getattr(score, part) for part in parts}
    return {
        "folds": folds,
        "bagged": {score.metric: {"valid": list(score.valid), "test": list(score.test)} for score in scores.bagged},
        "score_kind": laid.prepared.description.score_kind,
    }


def assert_close(ours: object, theirs: object, where: str = "") -> None:
    if isinstance(theirs, dict):
        assert isinstance(ours, dict)
        assert set(ours) == set(theirs), where
        for key in theirs:
            assert_close(ours[key], theirs[key], f"{where}/{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list)
        assert len(ours) == len(theirs), where
        for index, item in enumerate(theirs):
            assert_close(ours[index], item, f"{where}/{index}")
    else:
        assert ours == (pytest.approx(theirs, rel=0, abs=1e-9) if isinstance(theirs, float) else theirs), where


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "submission"),
    [("iris", "starting_kit"), ("iris", "discriminant"), *((name, "starting_kit") for name in RAMP_KITS)],
)
def test_a_kit_gets_the_numbers_of_ramp_test(
    name: str, submission: str, sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    kit = kit_folder(name, tmp_path / name)
    theirs = ramp_numbers(environment, kit, submission)
    pack_folder(kit, tmp_path / "kit.tar", leave_out=lambda file: file.endswith("prepare_data.py"))
    laid = lay_out(sandbox, environment, tmp_path / "kit.tar", tmp_path / "laid")
    ours = laid.train_and_score(stations, kit / "submissions" / submission)
    assert_close(as_ramp(ours, laid), theirs)
    numbers = [number for fold in theirs["folds"] for parts in fold.values() for number in parts.values()]
    assert any(number is not None for number in numbers)
