"""Combined predictions, clusters, and the folds of kits that need more than scikit-learn's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palio import score_types
from palio.cvs import Clustering, TimeSeries
from palio.prediction_types import make_clustering, make_combined, make_multiclass, make_regression
from palio.score_types import BaseScoreType

Clusters = make_clustering()
Both = make_combined([make_multiclass(["a", "b"]), make_regression()])


def test_each_part_has_its_columns() -> None:
    predictions = Both(y_pred=[[0.2, 0.8, 3.5], [1.0, 0.0, 2.5]])
    labels, number = predictions.predictions_list
    assert labels.y_pred.shape == (2, 2)
    assert number.y_pred.tolist() == [3.5, 2.5]
    assert predictions.y_pred.tolist() == [[0.2, 0.8, 3.5], [1.0, 0.0, 2.5]]
    truth = Both(y_true=np.array([["b", 3.0], ["a", 2.5]], dtype=object))
    assert truth.y_pred.tolist() == [[0, 1, 3.0], [1, 0, 2.5]]


def test_a_bag_of_parts_knows_what_nobody_predicted() -> None:
    whole = Both(n_samples=3)
    whole.set_valid_in_train(Both(y_pred=[[0.5, 0.5, 1.0]]), [1])
    other = Both(n_samples=3)
    other.set_valid_in_train(Both(y_pred=[[0.1, 0.9, 2.0], [0.3, 0.7, 3.0]]), [1, 2])
    bag = Both.combine([whole, other])
    assert bag.valid_indexes.tolist() == [False, True, True]
    bag.set_slice(bag.valid_indexes)
    np.testing.assert_allclose(bag.y_pred, [[0.3, 0.7, 1.5], [0.3, 0.7, 3.0]])


def test_the_wrong_number_of_columns_is_told() -> None:
    with pytest.raises(ValueError, match=r"\(rows, 3\), a column for each of a, b, Regression, .* have the shape \(1, 2\)"):
        Both(y_pred=[[0.5, 0.5]])
    with pytest.raises(ValueError, match=r"must have the shape \(rows, 2\); these have the shape \(1, 3\)"):
        Both(y_true=[["a", 1.0, 2.0]])
    with pytest.raises(ValueError, match="needs the kinds"):
        make_combined([])
    with pytest.raises(ValueError, match="y_pred, y_true or n_samples"):
        Both()


def test_metrics_of_parts_are_those_of_the_parts() -> None:
    truth = Both(y_true=np.array([["b", 4.0], ["a", 2.0]], dtype=object))
    predictions = Both(y_pred=[[0.2, 0.8, 2.0], [0.4, 0.6, 2.0]])
    error, mare = score_types.ErrorMixed(), score_types.MAREMixed(name="mare")
    assert error.score_function(truth, predictions) == 0.5
    assert (mare.name, mare.score_function(truth, predictions), mare.maximum) == ("mare", 0.25, float("inf"))
    assert score_types.ErrorMAREMixed().score_function(truth, predictions) == pytest.approx((2 * 0.5 + 0.25) / 3)
    combined = score_types.Combined([score_types.Accuracy(), score_types.ROCAUC()], [0.5, 2])
    assert (combined.minimum, combined.maximum, combined.worst, combined.is_lower_the_better) == (0, 2.5, 0, False)


@pytest.mark.parametrize(
    ("metrics", "weights", "words"),
    [
        ([score_types.RMSE(), score_types.Accuracy()], [1, 1], "some are better when they are lower"),
        ([score_types.RMSE()], [1, 1], "1 metrics and 2 weights"),
        ([], [], "0 metrics"),
    ],
)
def test_what_can_not_be_combined_is_told(metrics: Sequence[BaseScoreType], weights: Sequence[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        score_types.Combined(metrics, weights)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=40))
def test_the_efficiency_of_clusters_lies_in_its_range_and_only_names_may_differ(rows: list[tuple[int, int, int]]) -> None:
    events, true, predicted = np.array(rows).T
    metric = score_types.ClusteringEfficiency()
    truth = Clusters(y_true=np.column_stack([events, true]))
    assert 0 <= metric.score_function(truth, Clusters(y_pred=np.column_stack([events, predicted]))) <= 1
    assert metric.score_function(truth, Clusters(y_pred=np.column_stack([events, 7 - true]))) == 1
    assert metric.score_function(truth, Clusters(y_pred=np.column_stack([events, np.full(len(events), -1)]))) == 0


def test_rows_without_a_cluster_are_not_predicted() -> None:
    assert Clusters(y_pred=[[1, np.nan], [1, 0]]).valid_indexes.tolist() == [False, True]


def test_no_event_is_on_both_sides_of_a_fold() -> None:
    y = np.column_stack([np.repeat(np.arange(10), 3), np.tile([0, 1, 2], 10)])
    folds = list(Clustering(n_cv=3, cv_test_size=0.3).get_cv(None, y))
    assert len(folds) == 3
    for train, valid in folds:
        assert not set(y[train, 0]) & set(y[valid, 0])
        assert sorted([*train, *valid]) == list(range(30))


@given(n_rows=st.integers(1, 400), n_cv=st.integers(1, 9), share=st.floats(0.05, 0.95), period=st.integers(1, 14))
def test_blocks_of_a_time_series_grow_by_whole_periods_and_see_no_future(
    n_rows: int, n_cv: int, share: float, period: int
) -> None:
    scheme = TimeSeries(n_cv=n_cv, cv_block_size=share, period=period)
    if int(n_rows * share / n_cv / period) == 0:
        with pytest.raises(ValueError, match="take fewer folds"):
            list(scheme.get_cv(None, np.zeros(n_rows)))
        return
    folds = list(scheme.get_cv(None, np.zeros(n_rows)))
    assert len(folds) == n_cv
    for train, valid in folds:
        assert [*train, *valid] == list(range(n_rows))
    steps = np.diff([len(train) for train, _ in folds])
    assert (steps == steps[:1]).all()
    assert (steps % period == 0).all()
