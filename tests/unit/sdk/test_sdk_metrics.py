from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palio import score_types
from palio.prediction_types import make_multiclass, make_regression
from palio.score_types import BaseScoreType

Coin = make_multiclass(label_names=["tails", "heads"])
Number = make_regression()

CLASSIFICATION = [
    score_types.Accuracy(),
    score_types.BalancedAccuracy(),
    score_types.BalancedAccuracy(adjusted=False),
    score_types.ClassificationError(),
    score_types.F1Above(),
    score_types.MacroAveragedRecall(),
    score_types.NegativeLogLikelihood(),
    score_types.NormalizedGini(),
    score_types.ROCAUC(),
    score_types.BrierScore(),
    score_types.BrierScoreReliability(),
    score_types.BrierScoreResolution(),
    score_types.SoftAccuracy(np.eye(2)),
]


@pytest.mark.parametrize("metric", CLASSIFICATION, ids=repr)
@given(heads=st.lists(st.floats(0, 1), min_size=4, max_size=30))
def test_a_score_lies_in_its_range(metric: BaseScoreType, heads: list[float]) -> None:
    truth = Coin(y_true=["heads" if index % 2 else "tails" for index in range(len(heads))])
    predictions = Coin(y_pred=[[1 - chance, chance] for chance in heads])
    score = metric.score_function(truth, predictions)
    assert metric.minimum - 1e-12 <= score <= metric.maximum + 1e-12


#: A bin stands for its middle, which is right of 0.
PERFECT = [metric for metric in CLASSIFICATION if not isinstance(metric, score_types.BrierScoreReliability)]


@pytest.mark.parametrize("metric", PERFECT, ids=repr)
def test_a_perfect_prediction_gets_the_good_end_of_the_range(metric: BaseScoreType) -> None:
    truth = Coin(y_true=["heads", "tails", "heads"])
    best = metric.minimum if metric.is_lower_the_better else metric.maximum
    assert metric.score_function(truth, truth) == pytest.approx(best, abs=1e-12)
    assert metric.worst == (metric.maximum if metric.is_lower_the_better else metric.minimum)


def test_reliability_and_resolution_are_parts_of_the_brier_score() -> None:
    # Murphy: score = reliability - resolution + uncertainty, where every row of a bin has the bin's probability.
    truth = np.array([0, 0, 1, 0, 1, 1, 1, 0, 1, 1])
    proba = np.array([0.15, 0.15, 0.15, 0.55, 0.55, 0.55, 0.95, 0.95, 0.95, 0.95])
    climate = truth.mean()
    uncertainty = climate * (1 - climate)
    reliability = score_types.BrierScoreReliability()(truth, proba)
    resolution = score_types.BrierScoreResolution()(truth, proba) * uncertainty
    assert reliability - resolution + uncertainty == pytest.approx(score_types.BrierScore()(truth, proba), abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (score_types.RMSE(), math.sqrt((1 + 4) / 2)),
        (score_types.RelativeRMSE(), math.sqrt((0.25 + 0.25) / 2)),
        (score_types.NormalizedRMSE(), math.sqrt((1 + 4) / 2) / 1.0),
        (score_types.MARE(), 0.5),
    ],
    ids=repr,
)
def test_an_error_of_a_number_is_what_its_formula_says(metric: BaseScoreType, expected: float) -> None:
    truth, predictions = Number(y_true=[2.0, 4.0]), Number(y_pred=[3.0, 2.0])
    assert metric.score_function(truth, predictions) == pytest.approx(expected, abs=1e-12)
    assert metric.is_lower_the_better
    assert metric.worst == math.inf


def test_the_number_of_rows_must_agree() -> None:
    with pytest.raises(ValueError, match="There must be 2 predictions, one for each row; there are 1"):
        score_types.RMSE().score_function(Number(y_true=[1.0, 2.0]), Number(y_pred=[1.0]))


def test_a_gini_coefficient_of_nothing_to_rank_is_no_number() -> None:
    truth = Coin(y_true=["tails", "tails"])
    assert math.isnan(score_types.NormalizedGini().score_function(truth, Coin(y_pred=[[0.4, 0.6], [0.7, 0.3]])))


def test_a_row_without_any_probability_earns_nothing() -> None:
    metric = score_types.SoftAccuracy(np.eye(2))
    assert metric.score_function(Coin(y_true=["heads", "heads"]), Coin(y_pred=[[0.0, 0.0], [0.0, 1.0]])) == 0.5


def test_a_metric_has_a_name_and_a_precision_that_a_kit_may_choose() -> None:
    metric = score_types.Accuracy(name="acc", precision=4)
    assert (metric.name, metric.precision) == ("acc", 4)
    assert score_types.Accuracy().name == "accuracy"


def test_all_default_names_are_different() -> None:
    made: list[Any] = [metric for metric in CLASSIFICATION if getattr(metric, "adjusted", True)]
    made += [score_types.RMSE(), score_types.RelativeRMSE(), score_types.NormalizedRMSE(), score_types.MARE()]
    made += [score_types.BrierSkillScore()]
    names = [metric.name for metric in made]
    assert len(set(names)) == len(names)


def test_a_kit_may_write_its_own_metric() -> None:
    class Worst(BaseScoreType):
        default_name = "worst error"
        is_lower_the_better = True
        maximum = math.inf

        def __call__(self, y_true: Any, y_pred: Any) -> float:
            return float(np.max(np.abs(y_true - y_pred)))

    assert Worst().score_function(Number(y_true=[1.0, 2.0]), Number(y_pred=[1.5, 5.0])) == 3.0
