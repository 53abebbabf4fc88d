"""Circles in images: overlaps, metrics, and what predictions agree on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palio import score_types
from palio.circles import match, overlaps
from palio.prediction_types import make_detection
from palio.score_types import DetectionScoreType

Detection = make_detection()
Circle = tuple[float, float, float]

METRICS: list[DetectionScoreType] = [
    score_types.OSPA(),
    score_types.SCP(shape=(40, 40)),
    score_types.DetectionPrecision(),
    score_types.DetectionRecall(),
    score_types.MADCenter(),
    score_types.MADRadius(),
]
circle = st.tuples(st.floats(0, 39), st.floats(0, 39), st.floats(0.5, 10))
images = st.lists(st.lists(circle, max_size=4), min_size=1, max_size=4)


def surely(images: list[list[Circle]]) -> list[list[tuple[float, ...]]]:
    """As predictions that are sure."""
    return [[(1.0, *each) for each in image] for image in images]


@given(circle, circle)
def test_circles_overlap_as_their_pixels_do(first: Circle, second: Circle) -> None:
    side = np.linspace(-15, 55, 701)
    inside = [(side[:, None] - row) ** 2 + (side[None, :] - column) ** 2 < radius**2 for row, column, radius in (first, second)]
    counted = (inside[0] & inside[1]).sum() / (inside[0] | inside[1]).sum()
    # Pixels of 0.1 are large ones for the smallest circles.
    smallest = min(first[2], second[2])
    assert overlaps([first], [second])[0, 0] == pytest.approx(counted, abs=max(0.03, 0.1 / smallest))


@given(circle, circle)
def test_an_overlap_is_the_same_from_either_side_and_whole_with_oneself(first: Circle, second: Circle) -> None:
    assert overlaps([first], [second])[0, 0] == pytest.approx(overlaps([second], [first])[0, 0], abs=1e-9)
    assert overlaps([first], [first])[0, 0] == 1
    assert 0 <= overlaps([first], [second])[0, 0] <= 1


def test_points_overlap_with_nothing_and_nothing_matches_nothing() -> None:
    assert overlaps([(1, 1, 0)], [(1, 1, 0)])[0, 0] == 0
    assert [len(each) for each in match([], [(1, 1, 1)])] == [0, 0, 0]


@pytest.mark.parametrize("metric", METRICS, ids=repr)
@given(truth=images, found=images)
def test_a_score_lies_in_its_range(metric: DetectionScoreType, truth: list[list[Circle]], found: list[list[Circle]]) -> None:
    n_images = min(len(truth), len(found))
    score = metric.score_function(Detection(y_true=truth[:n_images]), Detection(y_pred=surely(found[:n_images])))
    assert math.isnan(score) or metric.minimum - 1e-9 <= score <= metric.maximum + 1e-9


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_a_perfect_prediction_gets_the_good_end_of_the_range(metric: DetectionScoreType) -> None:
    there: list[list[Circle]] = [[(10, 10, 4), (30, 20, 3)], []]
    best = metric.minimum if metric.is_lower_the_better else metric.maximum
    assert metric.score_function(Detection(y_true=there), Detection(y_pred=surely(there))) == pytest.approx(best, abs=1e-12)


def test_the_average_precision_falls_with_what_is_found_surely_and_is_not_there() -> None:
    metric = score_types.DetectionAveragePrecision()
    truth = Detection(y_true=[[(10, 10, 4)], [(30, 20, 3)]])
    right, wrong = (0.8, 10, 10, 4), (0.9, 35, 35, 2)
    assert metric.score_function(truth, Detection(y_pred=[[right], [(0.7, 30, 20, 3)]])) == 1
    assert metric.score_function(truth, Detection(y_pred=[[right, wrong], []])) == 0.25
    assert metric.score_function(truth, Detection(y_pred=[[], []])) == 0
    assert math.isnan(metric.score_function(Detection(y_true=[[], []]), Detection(y_pred=[[right], []])))


def test_only_what_is_sure_enough_and_in_the_minipatch_counts() -> None:
    truth = Detection(y_true=[[(10, 10, 4), (30, 30, 4)]])
    found = Detection(y_pred=[[(0.4, 10, 10, 4), (0.9, 30, 30, 4)]])
    assert score_types.DetectionRecall().score_function(truth, found) == 0.5
    assert score_types.DetectionRecall(conf_threshold=0.3).score_function(truth, found) == 1
    assert score_types.DetectionRecall(minipatch=(20, 40, 20, 40)).score_function(truth, found) == 1
    assert score_types.OSPA().score_function(Detection(y_true=[[]]), Detection(y_pred=[[]])) == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([3.0], "image 0 has a float"),
        ([[(1.0, 2.0)]], "image 0 has circles of 2 numbers"),
        ([[], [5.0]], "image 1 has circles of 1 numbers"),
    ],
)
def test_what_is_no_list_of_circles_is_told(wrong: list[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Detection(y_pred=wrong)


def test_a_negative_radius_is_told() -> None:
    with pytest.raises(ValueError, match="radius must be at least 0; one is -1"):
        score_types.OSPA().score_function(Detection(y_true=[[(1, 1, -1)]]), Detection(y_pred=[[]]))


def test_a_bag_keeps_what_folds_agree_on_and_leaves_alone_what_nobody_predicted() -> None:
    first = Detection(y_pred=[[(1.0, 10, 10, 4), (0.5, 30, 30, 2)], [(0.3, 5, 5, 1)], None])
    second = Detection(y_pred=[[(0.5, 10.6, 10, 4)], None, None])
    bag = Detection.combine([first, second])
    assert bag.valid_indexes.tolist() == [True, True, False]
    np.testing.assert_allclose(bag.y_pred[0], [[0.75, 10.2, 10, 4]])
    assert bag.y_pred[1] == [(0.3, 5, 5, 1)], "only one fold had it"
    bag.set_slice(bag.valid_indexes)
    assert len(bag.y_pred) == 2
