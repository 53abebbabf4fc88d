"""The same input gives the same number as ramp-workflow 0.7.0, to 1e-12."""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ramp_reference

import palio
from palio import circles
from palio.kit_folder import Target
from palio.trial_process import run_trial

ROOT = Path(__file__).resolve().parents[3]
Ramp = Callable[..., Any]


def _multiclass_cases() -> list[dict[str, Any]]:
    random = np.random.default_rng(57)
    cases = []
    for n_classes in (2, 2, 2, 3, 4, 7):
        for n_rows in (12, 60, 300):
            for dtype in ("float64", "float32"):
                proba = random.dirichlet(np.full(n_classes, 0.4), size=n_rows)
                # Certainty, right and wrong: where logarithms and clipping bite.
                proba[: n_rows // 4] = np.eye(n_classes)[random.integers(0, n_classes, n_rows // 4)]
                labels = np.concatenate([np.arange(n_classes), random.integers(0, n_classes, n_rows - n_classes)])
                cases.append({"n_classes": n_classes, "labels": labels.tolist(), "y_pred": proba.tolist(), "dtype": dtype})
    return cases


def _regression_cases() -> list[dict[str, Any]]:
    random = np.random.default_rng(58)
    cases = []
    for shape in ((5,), (200,), (40, 3), (7, 1)):
        truth = random.normal(10, 3, shape)
        cases += [
            {"y_true": truth.tolist(), "y_pred": (truth + random.normal(0, 2, shape)).tolist()},
            {"y_true": truth.tolist(), "y_pred": truth.tolist()},
        ]
    return cases


def _detection_cases() -> list[dict[str, Any]]:
    random = np.random.default_rng(64)
    cases = []
    for n_images in (1, 3, 12):
        for n_circles in (0, 1, 5):
            for minipatch in (None, [5, 30, 10, 35]):
                truth, found = [], []
                for _ in range(n_images):
                    there = _circles(random, n_circles)
                    # Near the true ones, and far from them; none as sure as another, since RAMP sorts those in any order.
                    moved = there + random.normal(0, 0.8, there.shape)
                    moved[:, 2] = np.abs(moved[:, 2])
                    some = np.concatenate(
                        [moved[: random.integers(0, n_circles + 1)], _circles(random, int(random.integers(0, 3)))]
                    )
                    truth.append(there.tolist())
                    found.append(np.column_stack([random.uniform(0, 1, len(some)), some]).tolist())
                cases.append({"y_true": truth, "y_pred": found, "minipatch": minipatch})
    return cases


def _circles(random: np.random.Generator, number: int) -> Any:
    return np.column_stack([random.uniform(0, 40, number), random.uniform(0, 40, number), random.uniform(1, 6, number)])


def _merging_cases() -> list[list[Any]]:
    random = np.random.default_rng(65)
    cases = []
    for n_predictions in (2, 3, 5):
        images: list[list[Any]] = [[] for _ in range(n_predictions)]
        for n_circles in (0, 1, 4):
            there = _circles(random, n_circles)
            for each in images:
                moved = there + random.normal(0, 0.3, there.shape)
                confidences = random.choice([0.0, 0.4, 0.9], len(moved))
                each.append(np.column_stack([confidences, moved])[random.random(len(moved)) < 0.8].tolist())
        # No confidence in anything.
        for each in images:
            each.append([[0.0, 10.0, 10.0, 4.0]])
        cases.append(images)
    return cases


def _bag_cases() -> list[dict[str, Any]]:
    random = np.random.default_rng(59)
    cases = []
    for n_columns in (0, 2, 5):
        for n_folds in (1, 2, 6):
            folds = []
            for _ in range(n_folds):
                rows = random.choice(30, size=9, replace=False)
                # Beyond [0, 1] too: predictions need not be probabilities before they are combined.
                y_pred = random.normal(0.3, 0.6, (9, n_columns) if n_columns else 9)
                folds.append({"rows": rows.tolist(), "y_pred": y_pred.tolist()})
            cases.append({"n_rows": 30, "n_columns": n_columns, "folds": folds})
    return cases


def _assert_same(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> None:
    assert len(ours) == len(theirs)
    for case, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        assert our.keys() == their.keys()
        for name, score in our.items():
            same = math.isclose(score, their[name], rel_tol=1e-12, abs_tol=1e-12) or (
                math.isnan(score) and math.isnan(their[name])
            )
            assert same, (case, name, score, their[name])


def test_every_classification_metric_gives_the_number_that_ramp_gives(ramp: Ramp) -> None:
    cases = _multiclass_cases()
    with warnings.catch_warnings():
        # scikit-learn remarks that float32 rows do not sum to 1 exactly; RAMP's side ignores it as well.
        warnings.filterwarnings("ignore", message="The y_prob values do not sum to one")
        ours = ramp_reference.multiclass_scores(palio, cases)
    _assert_same(ours, ramp("multiclass_scores", cases))


def test_every_regression_metric_gives_the_number_that_ramp_gives(ramp: Ramp) -> None:
    cases = _regression_cases()
    _assert_same(ramp_reference.regression_scores(palio, cases), ramp("regression_scores", cases))


@pytest.fixture
def ramps_circles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Circles that overlap as RAMP says: it adds the kite between the sectors where it is to be taken off."""
    ours = circles._lens

    def lens(d: Any, r: Any, s: Any) -> Any:
        right = ours(d, r, s)
        return right + np.sqrt((-d + r + s) * (d + r - s) * (d - r + s) * (d + r + s))

    monkeypatch.setattr("palio.circles._lens", lens)


@pytest.mark.usefixtures("ramps_circles")
def test_every_detection_metric_gives_the_number_that_ramp_gives(ramp: Ramp) -> None:
    cases = _detection_cases()
    ours, theirs = ramp_reference.detection_scores(palio, cases), ramp("detection_scores", cases)
    for our, their in zip(ours, theirs, strict=True):
        if math.isnan(our["DetectionPrecision"]) and math.isnan(our["DetectionRecall"]):
            # Nothing counts: RAMP calls that the worst, we the best.
            assert (our.pop("OSPA"), their.pop("OSPA")) == (0.0, 1.0)
    _assert_same(ours, theirs)


def test_clusters_get_the_score_that_ramp_gives(ramp: Ramp) -> None:
    random = np.random.default_rng(61)
    cases = []
    for n_rows in (1, 2, 12, 80):
        events = np.sort(random.integers(0, 4, n_rows))
        for n_clusters in (1, 3, 9):
            # Below 0: in no cluster.
            truth, predicted = (random.integers(-1 * low, n_clusters, n_rows) for low in (0, 1))
            cases.append(
                {"y_true": np.column_stack([events, truth]).tolist(), "y_pred": np.column_stack([events, predicted]).tolist()}
            )
    _assert_same(ramp_reference.clustering_scores(palio, cases), ramp("clustering_scores", cases))


def test_combined_predictions_get_the_scores_and_the_bag_that_ramp_gives(ramp: Ramp) -> None:
    random = np.random.default_rng(62)
    cases = []
    for n_rows, n_folds in ((1, 1), (7, 2), (40, 3)):
        truth = np.column_stack([random.integers(0, 3, n_rows), random.uniform(1, 2, n_rows)])
        folds = [
            np.column_stack([random.dirichlet([1, 1, 1], n_rows), random.uniform(1, 2, n_rows)]).tolist() for _ in range(n_folds)
        ]
        cases.append({"y_true": truth.tolist(), "folds": folds})
    _assert_same(ramp_reference.combined_scores(palio, cases), ramp("combined_scores", cases))


@pytest.mark.usefixtures("ramps_circles")
def test_detections_are_merged_as_ramp_merges_them(ramp: Ramp) -> None:
    cases = _merging_cases()
    for ours, theirs in zip(ramp_reference.merged_detections(palio, cases), ramp("merged_detections", cases), strict=True):
        assert len(ours) == len(theirs)
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(our, their, rtol=0, atol=1e-12)


def test_folds_are_those_that_ramp_makes(ramp: Ramp) -> None:
    random = np.random.default_rng(63)
    events = np.column_stack([random.integers(0, 9, 60), random.integers(0, 3, 60)]).tolist()
    cases = [
        {"scheme": "Clustering", "options": {}, "y": events},
        {"scheme": "Clustering", "options": {"n_cv": 4, "cv_test_size": 0.2, "random_state": 7}, "y": events},
        {"scheme": "TimeSeries", "options": {}, "y": list(range(500))},
        {"scheme": "TimeSeries", "options": {"n_cv": 3, "cv_block_size": 0.3, "period": 7}, "y": list(range(101))},
    ]
    assert ramp_reference.folds(palio, cases) == ramp("folds", cases)


def test_every_public_metric_is_compared_with_ramp() -> None:
    not_ramps = {"BaseScoreType", "ClassifierBaseScoreType", "DetectionScoreType", "ErrorMAREMixed", "ErrorMixed", "MAREMixed"}
    compared = {*ramp_reference.CLASSIFIERS, *ramp_reference.BINARY, *ramp_reference.REGRESSORS, *ramp_reference.DETECTORS}
    compared |= {"DetectionAveragePrecision", "AverageDetectionPrecision", "ClusteringEfficiency", "Combined", "MakeCombined"}
    assert compared == set(palio.score_types.__all__) - not_ramps


def test_bagging_gives_the_predictions_that_ramp_gives(ramp: Ramp) -> None:
    cases = _bag_cases()
    for ours, theirs in zip(ramp_reference.bags(palio, cases), ramp("bags", cases), strict=True):
        assert ours[0] == theirs[0]
        np.testing.assert_allclose(ours[1], theirs[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("submission", ["starting_kit", "discriminant"])
def test_a_ramp_kit_gets_the_scores_that_ramp_gives_it_on_every_part_of_every_fold(
    ramp: Ramp, ramp_python: Path, tmp_path: Path, submission: str
) -> None:
    kit = tmp_path / "ramp_iris"
    shutil.copytree(ROOT / "tests" / "kits" / "ramp_iris", kit)
    # The kit's environment, which has no palio: `palio test` must bring its own.
    (kit / ".venv").symlink_to(ramp_python.parent.parent)
    folder = kit / "submissions" / submission

    ours = run_trial(Target(kit, folder))
    theirs = ramp("trial", str(kit), str(folder))

    assert ours.succeeded, ours
    assert len(ours.folds) == len(theirs["folds"]) == 2
    for our_fold, their_fold in zip(ours.folds, theirs["folds"], strict=True):
        _assert_same(list(our_fold["scores"].values()), [their_fold[name] for name in our_fold["scores"]])
    assert ours.bagged is not None
    _assert_same(list(ours.bagged.values()), [theirs["bagged"][name] for name in ours.bagged])
