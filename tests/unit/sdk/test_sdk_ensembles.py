"""Selections: the same as the plain way gives, as a look at fresh candidates alone gives, and as ramp-workflow picks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import ramp_reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import palio
from palio.ensembles import Earlier, Rules, Selection, contributivity, growing, make_blend, select
from palio.ensembles.batched import batched_metric
from palio.ensembles.blends import MeanBlend, ObjectBlend, RunningBlend
from palio.prediction_types import make_multiclass, make_regression
from palio.score_types import RMSE, Accuracy, BaseScoreType, NegativeLogLikelihood

Ramp = Callable[..., Any]


class Distance(BaseScoreType):
    """A kit's own metric."""

    is_lower_the_better = True

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """Of the means."""
        return float(np.abs(np.mean(y_true) - np.mean(y_pred)))


class Raises(Distance):
    """A metric that fails wherever the first prediction is negative."""

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """Or raises."""
        if y_pred.ravel()[0] < 0:
            raise RuntimeError("this metric does not like it")
        return super().__call__(y_true, y_pred)


class PickyRegression(make_regression([])):  # type: ignore[misc]
    """Predictions that combine in a way of their own: by the median."""

    @classmethod
    def combine(cls, predictions_list: Sequence[Any], index_list: Any = None) -> Any:
        """Per row."""
        chosen = predictions_list if index_list is None else [predictions_list[index] for index in index_list]
        return cls(y_pred=np.median([each.y_pred for each in chosen], axis=0))


def _classes(seed: int, n_rows: int, n_classes: int, n_candidates: int) -> tuple[Any, list[Any]]:
    random = np.random.default_rng(seed)
    make = make_multiclass(list(range(n_classes)))
    truth = make(y_true=random.integers(0, n_classes, n_rows))
    candidates = []
    for _ in range(n_candidates):
        # Some sure of themselves, so that ensembles tie; some beyond [0, 1]; some better than others.
        y_pred = random.dirichlet(np.full(n_classes, 0.5), n_rows) + random.uniform(0, 0.5) * truth.y_pred
        style = random.integers(0, 3)
        y_pred = (y_pred == y_pred.max(axis=1, keepdims=True)).astype(float) if style == 0 else y_pred * 1.2 - 0.1 * (style == 1)
        candidates.append(make(y_pred=y_pred))
    return truth, candidates


def _complementary(n_rows: int, n_candidates: int) -> tuple[Any, list[Any]]:
    """Candidates that know something each, so that ensembles of them are long."""
    random = np.random.default_rng(12)
    make = make_multiclass([0, 1, 2])
    truth = make(y_true=random.integers(0, 3, n_rows))
    return truth, [make(y_pred=random.dirichlet(np.ones(3), n_rows) + 0.3 * truth.y_pred) for _ in range(n_candidates)]


def _plain(metric: Any, truth: Any, candidates: list[Any], rules: Rules) -> list[int]:
    """The picks, found in the plainest way."""
    sign = -1 if metric.is_lower_the_better else 1
    picks: list[int] = []
    best = -np.inf
    while len(picks) < rules.max_members:
        gains = [
            sign * metric.score_function(truth, type(truth).combine(candidates, [*picks, each]))
            for each in range(len(candidates))
        ]
        winner = int(np.argmax(gains))
        if picks and not gains[winner] > best + rules.min_improvement:
            break
        best = gains[winner]
        picks.append(winner)
    return picks


def _selected(metric: Any, truth: Any, candidates: Sequence[Any], rules: Rules, earlier: Earlier | None = None) -> Selection:
    return select(make_blend(metric, truth, candidates), len(candidates), rules, earlier)


def _rules(metric: Any, **rules: Any) -> Rules:
    return Rules(is_lower_the_better=metric.is_lower_the_better, **rules)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 4), st.integers(1, 6), st.sampled_from([0.0, 0.01, 0.1]))
def test_the_picks_are_those_of_the_plain_way(seed: int, n_rows: int, n_classes: int, n: int, min_improvement: float) -> None:
    truth, candidates = _classes(seed, n_rows, n_classes, n)
    for metric in (NegativeLogLikelihood(), Distance("distance")):
        rules = _rules(metric, max_members=12, min_improvement=min_improvement)
        assert list(_selected(metric, truth, candidates, rules).picks) == _plain(metric, truth, candidates, rules)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 7), st.data())
def test_looking_at_fresh_candidates_alone_gives_what_looking_at_all_gives(seed: int, n_rows: int, n: int, data: Any) -> None:
    truth, candidates = _classes(seed, n_rows, 3, n)
    was_there = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    for metric in (Accuracy(), Distance("distance")):
        rules = _rules(metric, max_members=6)
        before = [each for each in range(n) if was_there[each]]
        known = Earlier(
            picks=tuple(before[pick] for pick in _selected(metric, truth, [candidates[each] for each in before], rules).picks),
            fresh=tuple(each for each in range(n) if not was_there[each]),
        )
        assert _selected(metric, truth, candidates, rules, known) == _selected(metric, truth, candidates, rules)


def test_a_fresh_candidate_that_wins_nothing_costs_one_look_a_round() -> None:
    truth, candidates = _classes(5, 60, 3, 30)
    metric = NegativeLogLikelihood()
    rules = _rules(metric)
    # Nobody needs one who is wrong everywhere.
    bad = type(truth)(y_pred=1 - truth.y_pred)
    first = _selected(metric, truth, candidates, rules)
    asked: list[int] = []

    class Counting(MeanBlend):
        def scores(self, rivals: Sequence[int]) -> Any:
            asked.append(len(rivals))
            return super().scores(rivals)

    batched = batched_metric(metric, truth)
    assert batched is not None
    blend = Counting([*candidates, bad], batched)
    assert select(blend, 31, rules, Earlier(first.picks, fresh=(30,))) == first
    assert asked == [2] * len(first.picks) + [1]


@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(2, 5))
def test_many_at_once_get_what_the_metric_gives_each_of_them(seed: int, n_rows: int, n_classes: int) -> None:
    truth, candidates = _classes(seed, n_rows, n_classes, 4)
    names = [*ramp_reference.CLASSIFIERS, *(ramp_reference.BINARY if n_classes == 2 else ())]
    batched_names = set()
    for name in set(names) - {"SoftAccuracy"}:
        metric = getattr(palio.score_types, name)()
        batched = batched_metric(metric, truth)
        if batched is None or len(set(truth.y_pred_label_index)) < 2:
            continue
        batched_names.add(name)
        members = [batched.reduce(each.y_pred) for each in candidates]
        found = batched.score(np.array([(members[0] + each) / 2 for each in members]))
        expected = [metric.score_function(truth, type(truth).combine([candidates[0], each])) for each in candidates]
        assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    if len(set(truth.y_pred_label_index)) == n_classes:
        of_two = {"ROCAUC", "BrierScore", "BrierSkillScore"} if n_classes == 2 else set()
        labels = {"Accuracy", "ClassificationError", "BalancedAccuracy", "MacroAveragedRecall"}
        assert batched_names == labels | {"NegativeLogLikelihood"} | of_two


@pytest.mark.parametrize(
    ("name", "shape"),
    # One row has no deviation to divide by.
    [case for case in itertools.product(ramp_reference.REGRESSORS, [(1,), (40,), (25, 3)]) if case != ("NormalizedRMSE", (1,))],
)
def test_many_regressions_at_once_get_what_the_metric_gives_each_of_them(name: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(7)
    make = make_regression([] if len(shape) == 1 else ["a", "b", "c"])
    truth = make(y_true=random.normal(10, 2, shape))
    metric = getattr(palio.score_types, name)()
    predictions = [make(y_pred=random.normal(10, 2, shape)) for _ in range(5)]
    batched = batched_metric(metric, truth)
    assert batched is not None
    found = batched.score(np.array([batched.reduce(each.y_pred) for each in predictions]))
    assert_allclose(found, [metric.score_function(truth, each) for each in predictions], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_classes", [0, 4])
def test_an_ensemble_that_grows_is_what_its_picks_combined_are(n_classes: int, dtype: str) -> None:
    random = np.random.default_rng(4)
    make = make_multiclass(list(range(n_classes))) if n_classes else make_regression([])
    predictions = [make(y_pred=random.normal(0.4, 0.3, (40, n_classes) if n_classes else 40).astype(dtype)) for _ in range(5)]
    picks = [3, 1, 3, 0, 4, 1]
    for number, grown in enumerate(growing(make(n_samples=40), predictions, picks), start=1):
        combined = make.combine(predictions, picks[:number]).y_pred
        assert grown.y_pred.dtype == combined.dtype
        assert np.array_equal(grown.y_pred, combined)


def test_predictions_that_combine_in_their_own_way_are_asked_to() -> None:
    random = np.random.default_rng(11)
    truth = PickyRegression(y_true=random.normal(0, 1, 30))
    candidates = [PickyRegression(y_pred=truth.y_pred + random.normal(0, 1, 30)) for _ in range(4)]
    rules = _rules(RMSE(), max_members=9)
    blend = make_blend(RMSE(), truth, candidates)
    assert type(blend) is ObjectBlend
    assert list(select(blend, 4, rules).picks) == _plain(RMSE(), truth, candidates, rules)


def test_where_a_metric_fails_the_candidate_is_not_taken() -> None:
    make = make_regression([])
    truth = make(y_true=np.array([1.0, 2.0]))
    metric = Raises("raises")
    candidates = [make(y_pred=np.array(y_pred)) for y_pred in ([-9.0, 2.0], [1.0, 1.5], [0.5, 2.0])]
    blend = make_blend(metric, truth, candidates)
    assert type(blend) is RunningBlend
    assert select(blend, 3, _rules(metric)).picks == (1,)
    assert select(make_blend(metric, truth, candidates[:1]), 1, _rules(metric)).picks == ()


def test_of_a_thousand_equal_ones_the_first_is_taken_alone() -> None:
    truth, candidates = _classes(2, 20, 2, 1)
    assert _selected(Accuracy(), truth, candidates * 1000, _rules(Accuracy())).picks == (0,)


def test_nothing_is_picked_from_nothing() -> None:
    truth, _ = _classes(2, 20, 2, 1)
    assert _selected(Accuracy(), truth, [], _rules(Accuracy())).picks == ()


def test_no_more_are_picked_than_the_rules_say() -> None:
    truth, candidates = _complementary(200, 12)
    metric = NegativeLogLikelihood()
    whole = _selected(metric, truth, candidates, _rules(metric))
    assert len(whole.picks) > 4
    assert _selected(metric, truth, candidates, _rules(metric, max_members=4)).picks == whole.picks[:4]


def test_the_order_of_candidates_does_not_matter_though_there_is_a_least_improvement() -> None:
    metric = NegativeLogLikelihood()
    rules = _rules(metric, min_improvement=0.001)
    truth, candidates = _complementary(100, 8)
    forwards = _selected(metric, truth, candidates, rules)
    backwards = _selected(metric, truth, candidates[::-1], rules)
    assert len(forwards.picks) > 2
    assert [7 - pick for pick in backwards.picks] == list(forwards.picks)


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=5))
def test_contributivities_sum_to_one(folds: list[list[int]]) -> None:
    shares = contributivity(folds)
    assert_allclose(sum(shares.values()), 1.0 if any(folds) else 0.0)
    assert set(shares) == {pick for picks in folds for pick in picks}


def test_the_picks_are_those_of_ramp(ramp: Ramp) -> None:
    random = np.random.default_rng(66)
    cases = []
    for metric in ("Accuracy", "NegativeLogLikelihood", "BalancedAccuracy", "F1Above", "ROCAUC", "RMSE", "MARE"):
        for n_rows, n in ((30, 4), (200, 12)):
            n_classes = 0 if metric in ramp_reference.REGRESSORS else 2 if metric == "ROCAUC" else 4
            truth = random.integers(0, n_classes, n_rows) if n_classes else random.normal(10, 2, n_rows)
            noise = random.dirichlet(np.ones(n_classes), (n, n_rows)) if n_classes else random.normal(10, 2, (n, n_rows))
            y_preds = 0.8 * noise + 0.2 * (np.eye(n_classes)[truth] if n_classes else truth)
            if n_classes:
                # As of a network, sure of some rows, right or wrong.
                y_preds[:, : n_rows // 3] = np.eye(n_classes)[y_preds[:, : n_rows // 3].argmax(axis=2)]
            for dtype in ("float64", "float32"):
                case = {"metric": metric, "n_classes": n_classes, "y_true": truth.tolist(), "y_preds": y_preds.tolist()}
                cases.append({**case, "dtype": dtype})
    theirs = ramp("blends", cases)
    ours = []
    for case in cases:
        metric, truths, predictions = ramp_reference.blend_case(palio, case)
        ours.append(list(_selected(metric, truths, predictions, _rules(metric)).picks))
    assert ours == theirs
    assert max(len(picks) for picks in ours) > 5
