from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from palio.prediction_types import make_multiclass, make_regression
from palio.rows import Rows, take_rows

Species = make_multiclass(label_names=["setosa", "versicolor", "virginica"])
Number = make_regression()

PROBABILITIES = hnp.arrays(np.float64, (6, 3), elements=st.floats(0, 1))


def test_labels_become_certainties_in_the_order_of_the_classes() -> None:
    truth = Species(y_true=["virginica", "setosa"])
    np.testing.assert_array_equal(truth.y_pred, [[0, 0, 1], [1, 0, 0]])
    assert truth.y_pred_label_index.tolist() == [2, 0]
    assert truth.y_pred_label == ["virginica", "setosa"]


def test_several_labels_of_a_row_share_it_equally() -> None:
    truth = Species(y_true=[["setosa", "virginica"], ["versicolor"]])
    np.testing.assert_array_equal(truth.y_pred, [[0.5, 0, 0.5], [0, 1, 0]])


def test_labels_are_compared_as_the_type_of_the_first_class() -> None:
    digits = make_multiclass(label_names=[0, 1])
    np.testing.assert_array_equal(digits(y_true=np.array(["1", "0"])).y_pred, [[0, 1], [1, 0]])


def test_an_unknown_label_is_named_with_its_row() -> None:
    with pytest.raises(ValueError, match=r"'rose' in row 1 is not among the classes"):
        Species(y_true=["setosa", "rose"])


def test_a_wrong_shape_is_told_with_the_right_one_and_the_order_of_the_columns() -> None:
    with pytest.raises(ValueError, match=r"shape \(rows, 3\), a column for each of setosa, versicolor, virginica.*\(4, 2\)"):
        Species(y_pred=np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"one dimension.*\(4, 1\)"):
        Number(y_pred=np.zeros((4, 1)))


def test_predictions_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="must be numbers"):
        Number(y_pred=np.array(["many", "few"]))


def test_predictions_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="y_pred, y_true or n_samples"):
        Number()


def test_classes_must_be_named_and_named_once() -> None:
    with pytest.raises(ValueError, match="names of the classes"):
        make_multiclass(label_names=[])
    with pytest.raises(ValueError, match="twice"):
        make_multiclass(label_names=["a", "a"])


def test_several_targets_have_a_column_each() -> None:
    positions = make_regression(label_names=["x", "y"])
    assert positions(n_samples=3).y_pred.shape == (3, 2)
    assert positions.n_columns_true == 2


def test_fold_rows_are_positions_whatever_the_index_of_a_series() -> None:
    series = pd.Series(["setosa", "virginica", "versicolor"], index=[9, 0, 1])
    assert Species(y_true=series, fold_is=[0, 1]).y_pred_label == ["setosa", "virginica"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([2, 0], [12, 10]),
        (np.array([2, 0]), [12, 10]),
        (np.array([True, False, True]), [10, 12]),
        (slice(0, 2), [10, 11]),
        (range(1, 3), [11, 12]),
        ([], []),
        (None, [10, 11, 12]),
    ],
)
def test_rows_of_a_list_a_frame_and_an_array_are_the_same(rows: Rows | None, expected: list[int]) -> None:
    values = [10, 11, 12]
    assert list(take_rows(values, rows)) == expected
    assert take_rows(pd.DataFrame({"a": values}), rows)["a"].tolist() == expected
    assert Number(y_pred=values, fold_is=rows).y_pred.tolist() == expected


@given(PROBABILITIES)
def test_a_bag_of_one_prediction_repeated_is_that_prediction_as_a_distribution(y_pred: np.ndarray) -> None:
    once = Species.combine([Species(y_pred=y_pred)])
    thrice = Species.combine([Species(y_pred=y_pred)] * 3)
    np.testing.assert_allclose(once.y_pred, thrice.y_pred, atol=1e-12)
    np.testing.assert_allclose(once.y_pred.sum(axis=1), 1, atol=1e-12)


@given(st.lists(PROBABILITIES, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_folds_changes_no_bag(parts: list[np.ndarray], random: object) -> None:
    predictions = [Species(y_pred=part) for part in parts]
    shuffled = predictions.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    np.testing.assert_allclose(Species.combine(predictions).y_pred, Species.combine(shuffled).y_pred, atol=1e-12)


@given(hnp.arrays(np.float64, (4, 8), elements=st.floats(-1e6, 1e6) | st.just(np.nan)))
def test_a_bag_is_the_mean_of_those_that_predicted_a_row(stack: np.ndarray) -> None:
    bagged = Number.combine([Number(y_pred=row) for row in stack])
    for column, value in zip(stack.T, bagged.y_pred, strict=True):
        known = column[~np.isnan(column)]
        assert np.isnan(value) if not len(known) else value == pytest.approx(known.mean(), abs=1e-6)
    assert bagged.valid_indexes.tolist() == (~np.isnan(stack)).any(axis=0).tolist()


def test_a_fold_fills_its_rows_and_a_slice_keeps_only_those() -> None:
    whole = Species(n_samples=4)
    whole.set_valid_in_train(Species(y_true=["setosa", "virginica"]), [3, 1])
    assert whole.valid_indexes.tolist() == [False, True, False, True]
    whole.set_slice(whole.valid_indexes)
    assert whole.y_pred_label == ["virginica", "setosa"]


def test_chosen_predictions_count_as_often_as_they_are_chosen() -> None:
    low, high = Number(y_pred=[0.0]), Number(y_pred=[3.0])
    assert Number.combine([low, high], [0, 1, 1]).y_pred.tolist() == [2.0]
