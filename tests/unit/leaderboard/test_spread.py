"""How much scores depend on the fold."""

import math
from statistics import stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.leaderboard.spread import Spread, spread_of, within_noise

scores = st.lists(st.floats(0, 1), min_size=2, max_size=10)


def test_mean_deviation_and_error_are_those_of_the_sample() -> None:
    spread = spread_of([0.5, 0.7, 0.9])
    assert spread.mean == pytest.approx(0.7)
    assert spread.std == pytest.approx(0.2)
    assert spread.standard_error == pytest.approx(0.2 / math.sqrt(3))


@pytest.mark.parametrize(("values", "expected"), [(None, Spread(None, None, None)), ([0.5], Spread(0.5, None, None))])
def test_without_folds_or_with_one_nothing_is_made_up(values: list[float] | None, expected: Spread) -> None:
    assert spread_of(values) == expected
    assert within_noise(values, values) is None


@given(scores)
def test_what_is_better_by_as_much_on_every_fold_is_better_however_much_folds_differ(folds: list[float]) -> None:
    assert within_noise(folds, folds) is True
    assert within_noise(folds, [each + 1 for each in folds]) is False


@given(scores, scores)
def test_neither_side_comes_first(one: list[float], other: list[float]) -> None:
    n_folds = min(len(one), len(other))
    assert within_noise(one[:n_folds], other[:n_folds]) == within_noise(other[:n_folds], one[:n_folds])


def test_what_is_better_on_one_fold_and_worse_on_another_is_noise() -> None:
    assert within_noise([0.9, 0.5, 0.7], [0.8, 0.6, 0.7]) is True


def test_runs_of_different_folds_are_not_compared() -> None:
    assert within_noise([0.9, 0.5], [0.8, 0.6, 0.7]) is None


@given(st.floats(-1e9, 1e9), st.integers(2, 20))
def test_equal_scores_have_no_deviation_whatever_their_mean_is_rounded_to(score: float, n_folds: int) -> None:
    assert spread_of([score] * n_folds).std == 0


@given(scores)
def test_the_deviation_is_that_of_the_textbook(folds: list[float]) -> None:
    assert spread_of(folds).std == pytest.approx(stdev(folds), rel=1e-12, abs=1e-15)
