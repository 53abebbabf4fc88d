"""Ensembles in the sandbox: those of ramp-blend for every form of kit, those of the SDK, and kits whose metrics fail."""

import json
import pickle
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from palio import ensembles
from shared.artefacts.archives import pack_folder
from shared.execution.arrays import packed
from shared.execution.ensembling import FoundEnsemble, Known, SelectionFiles, SelectionJob, select_ensemble
from shared.execution.preparation import KitError
from shared.execution.runner.predictions import encoded
from shared.execution.sandbox import Bubblewrap, Limits
from shared.execution.scoring import JobStoppedError, write_predictions
from shared.execution.stations import ColdStations, Environment, Stopped
from tests.integration.execution.layout import LIMITS, Laid, lay_out
from tests.integration.execution.programs import ROOT
from tests.integration.execution.ramp_kits import RAMP_KITS
from tests.integration.execution.small_kits import TINY, tiny_kit
from tests.integration.execution.test_same_numbers_as_ramp import kit_folder

SELECTION_CODE = Path(ensembles.__file__).parent


def selected(
    laid: Laid,
    stations: ColdStations,
    members: Path,
    candidates: Sequence[str],
    known: Known | None = None,
    size: int = 80,
    limits: Limits = LIMITS,
    stopped: Stopped | None = None,
) -> FoundEnsemble:
    job = SelectionJob(candidates, size, 0.0, known)
    problem, files = laid.problem, SelectionFiles(members, SELECTION_CODE)
    return select_ensemble(stations, problem.environment, problem.manifest, laid.labels, files, job, limits, stopped)


def store_member(laid: Laid, folder: Path, predictions: Sequence[tuple[object, object]]) -> None:
    """As the scorer lays out what a trainer stored: for each fold, predictions of all training rows and of the test set."""
    folder.mkdir(parents=True)
    manifest = laid.problem.manifest
    files = []
    for fold, parts in enumerate(predictions):
        arrays = {}
        for part, values in zip(("train", "test"), parts, strict=True):
            if values is not None:
                found = encoded(values, ragged=manifest.predictions.is_ragged)
                arrays |= {f"{part}.{name}": array for name, array in found.items()}
        file = folder.parent / f"{folder.name}-{fold}.tar"
        file.write_bytes(packed(arrays))
        files.append(file)
    write_predictions(files, manifest, folder)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["iris", *RAMP_KITS])
def test_a_kit_gets_the_ensemble_of_ramp_blend(
    name: str, sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    kit = kit_folder(name, tmp_path / name)
    script = ROOT / "tests/support/ramp_blend.py"
    command = [environment.folder / "bin" / "python", "-B", script, kit, tmp_path / "pickles"]
    done = subprocess.run(command, check=True, capture_output=True, env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin"})
    theirs = json.loads(done.stdout)
    pack_folder(kit, tmp_path / "kit.tar", leave_out=lambda file: file.endswith("prepare_data.py"))
    laid = lay_out(sandbox, environment, tmp_path / "kit.tar", tmp_path / "laid")
    candidates = sorted(path.name for path in (tmp_path / "pickles").iterdir())
    for candidate in candidates:
        folds = [
            pickle.loads((tmp_path / "pickles" / candidate / f"{fold}.pickle").read_bytes())
            for fold in range(laid.problem.manifest.n_folds)
        ]
        store_member(laid, tmp_path / "members" / candidate, folds)
    ours = selected(laid, stations, tmp_path / "members", candidates)
    assert [list(picks) for picks in ours.picks] == theirs["picks"]
    assert ours.scores is not None
    for which in ("combined", "foldwise_best"):
        found = {each.metric: {"valid": each.valid, "test": each.test} for each in getattr(ours.scores, which)}
        for metric, scores in theirs[which].items():
            for part, score in scores.items():
                assert found[metric][part] == (None if score is None else pytest.approx(score, rel=0, abs=1e-9)), (which, metric)
    longest = max(map(len, ours.picks))
    assert [point.n_members for point in ours.scores.curve] == list(range(1, longest + 1))
    assert (ours.scores.curve[0].valid, ours.scores.curve[-1].valid) == (
        ours.scores.foldwise_best[0].valid,
        ours.scores.combined[0].valid,
    )


@pytest.fixture
def tiny(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> Laid:
    return lay_out(sandbox, environment, tiny_kit(tmp_path), tmp_path / "laid")


def store_tiny_members(laid: Laid, folder: Path, number: int) -> list[str]:
    random = np.random.default_rng(3)
    manifest = laid.problem.manifest
    for member in range(number):
        predictions = [
            (random.dirichlet([1, 1], manifest.n_train), random.dirichlet([1, 1], manifest.n_test))
            for _ in range(manifest.n_folds)
        ]
        store_member(laid, folder / f"run-{member}", predictions)
    return [f"run-{member}" for member in range(number)]


def test_what_is_known_already_is_not_scored_again_and_a_fresh_one_is_taken_in(
    tiny: Laid, stations: ColdStations, tmp_path: Path
) -> None:
    candidates = store_tiny_members(tiny, tmp_path / "members", 8)
    whole = selected(tiny, stations, tmp_path / "members", candidates)
    assert whole.scores is not None
    without_last = selected(tiny, stations, tmp_path / "members", candidates[:-1])
    assert selected(tiny, stations, tmp_path / "members", candidates, Known(without_last.picks, [7])).picks == whole.picks
    again = selected(tiny, stations, tmp_path / "members", candidates, Known(whole.picks, []))
    assert again == FoundEnsemble(picks=whole.picks, scores=None)


def test_an_ensemble_has_no_more_members_than_the_challenge_says(tiny: Laid, stations: ColdStations, tmp_path: Path) -> None:
    candidates = store_tiny_members(tiny, tmp_path / "members", 8)
    assert max(map(len, selected(tiny, stations, tmp_path / "members", candidates).picks)) > 2
    assert max(map(len, selected(tiny, stations, tmp_path / "members", candidates, size=2).picks)) == 2


def test_a_job_that_is_stopped_is_no_fault_of_the_kits(tiny: Laid, stations: ColdStations, tmp_path: Path) -> None:
    candidates = store_tiny_members(tiny, tmp_path / "members", 2)
    stopped = Stopped()
    stopped.set()
    with pytest.raises(JobStoppedError):
        selected(tiny, stations, tmp_path / "members", candidates, stopped=stopped)


def broken(body: str) -> bytes:
    return (
        TINY
        + f"\nclass Broken(Accuracy):\n    def score_function(self, t, p):\n        {body}\n\nscore_types = [Broken()]\n".encode()
    )


@pytest.mark.parametrize("body", ["raise RuntimeError('no')", "return float('nan')"])
def test_by_a_metric_that_never_gives_a_number_nothing_is_picked(
    body: str, sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    laid = lay_out(sandbox, environment, tiny_kit(tmp_path, {"problem.py": broken(body)}), tmp_path / "laid")
    candidates = store_tiny_members(laid, tmp_path / "members", 2)
    assert selected(laid, stations, tmp_path / "members", candidates) == FoundEnsemble(picks=((),) * 3, scores=None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os._exit(3)", "exit code 3"),
        ("import time; time.sleep(999)", "more than 3 seconds"),
        # Whichever limit a busy machine comes to first.
        ("print('x' * 1000_000_000)", "log|more than 3 seconds"),
        ("os.system('sleep 600 &'); os._exit(0)", "exit code 0"),
        ("open('/data/y_train', 'w')", None),
    ],
)
def test_a_metric_that_breaks_out_of_its_role_is_the_kits_error(
    body: str, words: str | None, sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    laid = lay_out(sandbox, environment, tiny_kit(tmp_path, {"problem.py": broken(body)}), tmp_path / "laid")
    candidates = store_tiny_members(laid, tmp_path / "members", 2)
    if words is None:
        # What it may not write raises, as any other fault of a metric.
        assert selected(laid, stations, tmp_path / "members", candidates).scores is None
        return
    with pytest.raises(KitError, match=words):
        selected(laid, stations, tmp_path / "members", candidates, limits=replace(LIMITS, wall_time_s=3))
