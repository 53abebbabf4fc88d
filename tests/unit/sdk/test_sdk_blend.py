"""`palio blend`: what ramp-blend gives of the same predictions."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from numpy.testing import assert_allclose

from palio import kit as kits
from palio.blend_choices import BlendChoices
from palio.blending import Blending
from palio.cli import main
from palio.contract_errors import KitError
from palio.trial import Trial
from palio.trial_choices import Choices

ROOT = Path(__file__).resolve().parents[3]
#: Knows one species from the others, which it cannot tell apart: several know more together.
ONE_OF_THREE = """
import numpy as np
from sklearn.naive_bayes import GaussianNB
class Classifier:
    def fit(self, X, y):
        self.model = GaussianNB().fit(X[:, {columns}] + np.random.normal(scale={noise}, size=(len(X), 2)), y.astype(str))
    def predict_proba(self, X):
        known = self.model.predict_proba(X[:, {columns}])[:, {species}]
        found = np.tile((1 - known[:, None]) / 2, (1, 3)) + [0.01, 0, 0]
        found[:, {species}] = known
        return found / found.sum(axis=1, keepdims=True)
"""
SUBMISSIONS = {
    f"one_{number}": ONE_OF_THREE.format(species=number % 3, columns=columns, noise=noise)
    for number, (columns, noise) in enumerate(
        [("[2, 3]", 0.1), ("[2, 3]", 0.2), ("[2, 3]", 0.3), ("[0, 1]", 0.5), ("[0, 2]", 0.7)]
    )
}


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RAMP's iris under palio, with five submissions that have kept their predictions."""
    kit = Path(shutil.copytree(ROOT / "tests" / "kits" / "ramp_iris", tmp_path_factory.mktemp("kits") / "palio"))
    problem = kit / "problem.py"
    problem.write_text(problem.read_text().replace("import rampwf as rw", "import palio as rw"))
    shutil.rmtree(kit / "submissions")
    for name, source in SUBMISSIONS.items():
        (kit / "submissions" / name).mkdir(parents=True)
        (kit / "submissions" / name / "classifier.py").write_text(source)
        Trial(kits.load(kit), kit / "submissions" / name, lambda *_, **__: None, Choices(save_output=True)).run()
    return kit


@pytest.fixture
def kit(tried: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(tried, tmp_path / "kit"))


def _blend(kit: Path, submissions: Sequence[str] = tuple(SUBMISSIONS), **choices: Any) -> dict[str, Any]:
    said: list[dict[str, Any]] = []
    chosen = BlendChoices(submissions, **choices)
    Blending(kits.load(kit, chosen.data_label), chosen, lambda event, **more: said.append({"event": event, **more})).run()
    assert [each["event"] for each in said] == ["start", "fold", "fold", "done"]
    return {**said[-1], "folds": said[1:-1]}


def _edit(kit: Path, old: str, new: str) -> None:
    source = (kit / "problem.py").read_text()
    assert old in source
    (kit / "problem.py").write_text(source.replace(old, new))


@pytest.mark.parametrize(("metric", "place"), [("acc", 0), ("nll", 2)])
def test_the_ensemble_and_its_scores_are_those_of_ramp_blend(
    kit: Path, tmp_path: Path, ramp: Callable[..., Any], metric: str, place: int
) -> None:
    theirs = Path(shutil.copytree(kit, tmp_path / "theirs"))
    shutil.copy(ROOT / "tests" / "kits" / "ramp_iris" / "problem.py", theirs)
    ramp("blended_output", str(theirs), list(SUBMISSIONS), place)
    said = _blend(kit, metric=metric, save_output=True)
    assert any(len(set(fold["picks"])) > 1 for fold in said["folds"])

    ours, theirs = (each / "submissions" / "training_output" for each in (kit, theirs))
    assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
    assert sorted(_lines(ours / "contributivities.csv")) == sorted(_lines(theirs / "contributivities.csv"))
    for kind in ("combined", "foldwise_best"):
        with (ours / f"bagged_scores_{kind}.csv").open() as one, (theirs / f"bagged_scores_{kind}.csv").open() as other:
            for our, their in zip(csv.DictReader(one), csv.DictReader(other), strict=True):
                assert (our["step"], our["n_bag"]) == (their["step"], their["n_bag"])
                assert_allclose(float(our[metric]), float(their[metric]), rtol=0, atol=1e-12)


def _lines(path: Path) -> list[tuple[str, ...]]:
    with path.open() as file:
        _, *lines = csv.reader(file)
    return [(name, *(f"{float(cell):.9f}" for cell in cells)) for name, *cells in lines]


def test_of_one_submission_both_scores_are_its_own(kit: Path) -> None:
    said = _blend(kit, ["one_2"])
    with (kit / "submissions" / "one_2" / "training_output" / "bagged_scores.csv").open() as file:
        own = {line["step"]: line for line in csv.DictReader(file)}
    for kind in ("combined", "foldwise_best"):
        for name, by_step in said[kind].items():
            for step, score in by_step.items():
                assert_allclose(score, float(own[step][name]), rtol=0, atol=1e-12)
    assert said["contributivity"] == {"one_2": 1.0}


def test_contributivities_sum_to_one_and_the_ensemble_is_never_worse_than_the_best_on_a_fold(kit: Path) -> None:
    said = _blend(kit, metric="nll")
    assert_allclose(sum(said["contributivity"].values()), 1)
    assert all(fold["scores"] == tuple(sorted(fold["scores"], reverse=True)) for fold in said["folds"])


def test_members_and_improvement_are_limited(kit: Path) -> None:
    assert all(len(fold["picks"]) == 1 for fold in _blend(kit, metric="nll", max_members=1)["folds"])
    whole = _blend(kit, metric="nll")["folds"][0]["scores"]
    assert len(whole) > 2
    short = _blend(kit, metric="nll", min_improvement=(whole[0] - whole[1]) * 0.999)["folds"][0]["scores"]
    assert short == whole[: len(short)]
    assert 2 <= len(short) < len(whole)


def test_a_kit_without_a_test_set_has_validation_scores_alone(kit: Path) -> None:
    _edit(kit, "def get_test_data(path='.'):\n", "def get_test_data(path='.'):\n    return None, None\n")
    said = _blend(kit)
    assert all(by_step.keys() == {"valid"} for by_step in said["combined"].values())


def test_a_metric_that_scores_nothing_is_told(kit: Path) -> None:
    odd = "class Odd(rw.score_types.Accuracy):\n    def __call__(self, *_):\n        return float('nan')\n\n\nscore_types = [\n    Odd('odd'),"
    _edit(kit, "score_types = [", odd)
    with pytest.raises(KitError, match="The metric odd scores no submission in fold 1"):
        _blend(kit)


def test_predictions_of_other_data_are_refused(kit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAMP_TEST_MODE", "1")
    with pytest.raises(KitError, match="tried on other data, perhaps with --quick"):
        _blend(kit)


def test_a_fold_that_a_submission_has_not_kept_is_named(kit: Path) -> None:
    shutil.rmtree(kit / "submissions" / "one_0" / "training_output" / "fold_1")
    with pytest.raises(KitError, match=r"fold_1.y_pred_train\.npz"):
        _blend(kit)


def _command(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["blend", *map(str, arguments)])


def test_the_command_shows_who_contributes_and_what_all_score(kit: Path) -> None:
    result = _command(kit, "one_1", "one_2", "--metric", "nll", "--save-output")
    assert result.exit_code == 0, result.stderr
    for words in ("Picked by nll", "one_1", "contributivity", "fold 2", "Combined", "Best of each fold"):
        assert words in result.stdout
    assert "one_0" not in result.stdout
    assert f"Kept in {kit / 'submissions' / 'training_output'}" in result.stderr
    # What is kept there is no submission.
    assert "one_0" in _command(kit, "training_output").stderr


def test_as_json_there_are_picks_and_scores_of_each_fold(kit: Path) -> None:
    found = json.loads(_command(kit, "--json").stdout)
    assert found["submissions"] == sorted(SUBMISSIONS)
    assert [len(fold["picks"]) == len(fold["scores"]) for fold in found["folds"]] == [True, True]
    assert found["combined"]["acc"].keys() == {"valid", "test"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "There is no submission 'nobody': submissions/ holds one_0"),
        (["--data-label", "small"], "ALL --save-output"),
        (["one_0", "--data-label", "small"], "one_0 has kept no predictions"),
        (["--data-label", ".."], "cannot be a data label"),
        (["--min-improvement", "-1"], "--min-improvement"),
        (["--max-members", "0"], "--max-members"),
        (["--metric", "auc"], "There is no metric auc"),
    ],
)
def test_what_cannot_be_blended_is_told(kit: Path, arguments: list[str], words: str) -> None:
    result = _command(kit, *arguments)
    assert result.exit_code != 0
    assert words in result.stderr
