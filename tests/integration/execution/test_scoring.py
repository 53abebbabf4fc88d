"""Scoring: numbers, missing numbers with their reason, and kits or trainers that lie."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.execution.arrays import BadPredictionsError, packed
from shared.execution.preparation import KitError
from shared.execution.sandbox import Bubblewrap
from shared.execution.scoring import Scores
from shared.execution.stations import ColdStations, Environment
from tests.integration.execution.layout import LIMITS, Laid, lay_out, submission_of
from tests.integration.execution.small_kits import TINY, classifier, tiny_kit

PERFECT = "return np.eye(2)[np.where(X[:, 1] % 7 != 0, X[:, 0] > 0, X[:, 0] <= 0).astype(int)]"


def scores_of(
    problem: bytes, sandbox: Bubblewrap, environment: Environment, stations: ColdStations, folder: Path
) -> tuple[Laid, Scores]:
    laid = lay_out(sandbox, environment, tiny_kit(folder, {"problem.py": problem}), folder)
    return laid, laid.train_and_score(stations, submission_of(folder, {"classifier.py": classifier(predict=PERFECT)}))


def test_a_perfect_submission_gets_perfect_scores_everywhere(
    sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    laid, scores = scores_of(TINY, sandbox, environment, stations, tmp_path)
    assert [(score.metric, score.fold) for score in scores.folds[:3]] == [("acc", 0), ("odds", 0), ("acc", 1)]
    assert {(score.train, score.valid, score.test) for score in scores.folds} == {(1.0, 1.0, 1.0)}
    assert {(score.metric, score.valid, score.test) for score in scores.bagged} == {
        ("acc", (1.0,) * 3, (1.0,) * 3),
        ("odds", (1.0,) * 3, (1.0,) * 3),
    }
    assert scores.problems == ()
    assert laid.prepared.description.n_folds == 3


@pytest.mark.parametrize(
    ("body", "words"),
    [("raise RuntimeError('cannot')", "RuntimeError: cannot"), ("return float('nan')", "is nan"), ("return 1e999", "is inf")],
)
def test_a_metric_that_fails_costs_its_numbers_only(
    body: str, words: str, sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    broken = f"\nclass Broken(Accuracy):\n    name = 'broken'\n    def score_function(self, t, p):\n        {body}\n\nscore_types.append(Broken())\n"
    _, scores = scores_of(TINY + broken.encode(), sandbox, environment, stations, tmp_path)
    assert {(score.train, score.valid) for score in scores.folds if score.metric == "broken"} == {(None, None)}
    assert {score.valid for score in scores.folds if score.metric == "acc"} == {1.0}
    assert "broken of fold 0, train" in scores.problems[0]
    assert words in scores.problems[0]


def test_a_metric_that_hangs_costs_its_numbers_only(
    sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.integration.execution.layout.LIMITS", replace(LIMITS, wall_time_s=8))
    hangs = """
class Hangs(Accuracy):
    name = 'hangs'
    def score_function(self, t, p):
        while True:
            try:
                sum(range(1000))
            except Exception:
                pass

score_types.insert(1, Hangs())
"""
    _, scores = scores_of(TINY + hangs.encode(), sandbox, environment, stations, tmp_path)
    assert {score.valid for score in scores.folds if score.metric == "hangs"} == {None}
    assert {score.valid for score in scores.folds if score.metric == "acc"} == {1.0}
    assert {score.valid for score in scores.bagged if score.metric == "odds"} == {(1.0,) * 3}
    assert scores.problems == ("hangs of fold 0, train took more than 2 seconds; it is not asked again for this submission",)


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ("\nPredictions.combine = None\n", "'NoneType' object is not callable"),
        ("\nclass Exits(Accuracy):\n    def score_function(self, t, p): os._exit(0)\n\nscore_types = [Exits()]\n", "exit code 0"),
        (
            "\nclass Names(Accuracy):\n    @property\n    def name(self): return 'n' + str(os.path.exists('/job/predictions'))\n\nscore_types = [Names()]\n",
            "other ones",
        ),
        ("\nif os.path.exists('/data/y_train'): raise RuntimeError('not here')\n", "does not load"),
    ],
)
def test_a_kit_that_cannot_score_is_a_kit_error(
    addition: str, words: str, sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    with pytest.raises(KitError, match=words):
        scores_of(TINY + addition.encode(), sandbox, environment, stations, tmp_path)


def test_predictions_that_no_fold_can_have_given_are_refused(
    sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    laid = lay_out(sandbox, environment, tiny_kit(tmp_path), tmp_path)
    (tmp_path / "forged").write_bytes(packed({"train.values": np.zeros((60, 2)), "test.values": np.zeros((5, 2))}))
    with pytest.raises(BadPredictionsError, match="the test set has 21"):
        laid.score(stations, [tmp_path / "forged"] * 3)
    (tmp_path / "forged").write_bytes(b"no archive")
    with pytest.raises(BadPredictionsError, match="damaged"):
        laid.score(stations, [tmp_path / "forged"] * 3)
