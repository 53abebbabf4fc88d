"""Masked labels: as many and of the same kind as the labels, the fold's own untouched, and nothing of the others."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.execution.runner.masking import masked, row_numbers


@st.composite
def folds(draw: st.DrawFn) -> tuple[int, list[int]]:
    n_rows = draw(st.integers(1, 30))
    return n_rows, draw(st.lists(st.integers(0, n_rows - 1), min_size=1, unique=True))


#: Containers of labels that RAMP's kits return, each made from the labels 0, 1, 2, ...: a label tells its row.
CONTAINERS = {
    "integers": np.arange,
    "text": lambda n: np.array([f"{i}" for i in range(n)]),
    "objects": lambda n: np.array([str(i) for i in range(n)], dtype=object),
    "two columns": lambda n: np.array([[i, f"x{i}"] for i in range(n)], dtype=object).reshape(n, 2),
    "list": lambda n: list(range(n)),
    "tuple": lambda n: tuple(range(n)),
    "series": lambda n: pd.Series(range(n), index=[f"r{i}" for i in range(n)], name="y"),
    "categories": lambda n: pd.Series(pd.Categorical([str(i) for i in range(n)])),
    "frame": lambda n: pd.DataFrame({"a": range(n), "b": [str(i) for i in range(n)]}, index=range(n, 2 * n)),
    "text array of pandas": lambda n: pd.array([str(i) for i in range(n)], dtype="string"),
}


def as_rows(y: Any) -> list[str]:
    return [str(row) for row in (y.to_numpy().tolist() if hasattr(y, "to_numpy") else list(y))]


@pytest.mark.parametrize("name", CONTAINERS)
@given(fold=folds())
def test_masking_keeps_the_folds_labels_and_shows_no_other(name: str, fold: tuple[int, list[int]]) -> None:
    n_rows, train_rows = fold
    y = CONTAINERS[name](n_rows)
    hidden = masked(y, np.array(train_rows))
    before, after = as_rows(y), as_rows(hidden)
    assert type(hidden) is type(y)
    assert len(hidden) == n_rows
    assert [after[row] for row in train_rows] == [before[row] for row in train_rows]
    # Every label that is there is one of the fold's: nothing is told of the others.
    assert set(after) <= {before[row] for row in train_rows}
    if hasattr(y, "index") and hasattr(y, "iloc"):
        assert list(hidden.index) == list(y.index)
    if hasattr(y, "dtype"):
        assert hidden.dtype == y.dtype


@given(fold=folds())
def test_masking_does_not_depend_on_the_labels_it_hides(fold: tuple[int, list[int]]) -> None:
    n_rows, train_rows = fold
    y = np.arange(n_rows)
    other = np.where(np.isin(np.arange(n_rows), train_rows), y, -1)
    assert (masked(y, np.array(train_rows)) == masked(other, np.array(train_rows))).all()


@given(st.integers(1, 20), st.data())
def test_rows_may_be_integers_a_mask_or_a_slice(n_rows: int, data: st.DataObject) -> None:
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n_rows, max_size=n_rows)))
    numbers = np.flatnonzero(mask)
    assert (row_numbers(mask, n_rows) == numbers).all()
    assert (row_numbers(list(numbers), n_rows) == numbers).all()
    assert (row_numbers(numbers - n_rows, n_rows) == numbers).all()
    assert (row_numbers(slice(2, None, 3), n_rows) == np.arange(n_rows)[2::3]).all()


@pytest.mark.parametrize("rows", [[5], [-6], [0.5], [[0]], "ab", [True]])
def test_rows_that_do_not_exist_are_refused(rows: Any) -> None:
    with pytest.raises(ValueError, match=r"row|mask"):
        row_numbers(rows, 5)


@pytest.mark.parametrize("y", [{0: 1, 1: 2}, "ab", range(2)])
def test_labels_that_cannot_be_picked_are_refused(y: Any) -> None:
    with pytest.raises(TypeError, match="return a numpy array"):
        masked(y, np.array([0]))
