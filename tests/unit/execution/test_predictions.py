"""Predictions as plain arrays: what is taken, what is refused, and that nothing is lost on the way."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shared.artefacts.archives import pack_files
from shared.execution.arrays import BadPredictionsError, Expected, checked, packed, read_npy, unpacked
from shared.execution.runner.predictions import BadPredictionsError as RunnerError
from shared.execution.runner.predictions import decoded, encoded

NUMBERS = st.one_of(
    hnp.floating_dtypes(sizes=(16, 32, 64)), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.boolean_dtypes()
)


def npy(array: np.ndarray, **options: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def files_of(arrays: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {f"{name}.npy": npy(array) for name, array in arrays.items()}


@given(hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)))
def test_numbers_come_through_to_the_last_bit(array: np.ndarray) -> None:
    values = encoded(array, ragged=False)["values"]
    again = read_npy(npy(values))
    assert again.shape == array.shape
    assert again.dtype == array.dtype.newbyteorder("<")
    np.testing.assert_array_equal(again, array)


@given(
    st.lists(
        st.one_of(st.none(), st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 4), max_size=4)), max_size=6
    ).map(lambda rows: (rows, np.array([*rows, None], dtype=object)[:-1] if rows else np.empty(0, dtype=object)))
)
def test_detections_come_through_whole(case: tuple[list[Any], np.ndarray]) -> None:
    rows, _ = case
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    arrays = encoded(array, ragged=True)
    expected = Expected(len(rows), None, (), is_ragged=True)
    taken = checked(files_of({f"train.{name}": part for name, part in arrays.items()}), expected)
    again = decoded({name: taken[f"train.{name}"] for name in ("values", "offsets", "is_none")})
    assert list(again) == rows


@pytest.mark.parametrize(
    "predictions",
    [
        [1, 2, 3],
        (1.0, 2.0),
        pd.Series([1, 2]),
        pd.DataFrame({"a": [1.0], "b": [2.0]}),
        np.array([1, 2.5, True], dtype=object),
        [[1], [2]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_numpy_makes_an_array_of_is_taken(predictions: Any) -> None:
    values = encoded(predictions, ragged=False)["values"]
    assert values.dtype.kind in "if"
    np.testing.assert_array_equal(values.astype(float), np.asarray(predictions).astype(float))


@pytest.mark.parametrize(
    ("predictions", "words"),
    [
        (None, "NoneType"),
        (5, "int"),
        ("text", "str"),
        (np.array(["a", "b"]), "numbers are needed"),
        (np.array([1j]), "numbers are needed"),
        (np.array([None, 1]), "NoneType"),
        (np.array([2**60, 1.5], dtype=object), "too large"),
        ([[1], [1, 2]], "cannot be made an array"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "numbers are needed"),
    ],
    ids=str,
)
def test_what_is_no_array_of_numbers_is_refused_in_words(predictions: Any, words: str) -> None:
    with pytest.raises(RunnerError, match=words):
        encoded(predictions, ragged=False)


@pytest.mark.parametrize("row", [5, "text", [5], [("a", 1)], [(1, 2), (1, 2, 3)], [None]])
def test_detections_of_another_form_are_refused(row: Any) -> None:
    rows = np.empty(2, dtype=object)
    rows[0], rows[1] = row, []
    with pytest.raises(RunnerError, match=r"row 0|different lengths"):
        encoded(rows, ragged=True)


def test_tuples_of_integers_stay_integers_so_that_a_metric_can_count_with_them() -> None:
    rows = [[(3, np.int32(7))], [], [(np.uint8(0), 2), (5, 6)]]
    again = decoded(encoded(rows, ragged=True)).tolist()
    assert again == [[(3, 7)], [], [(0, 2), (5, 6)]]
    assert {type(number) for row in again for item in row for number in item} == {int}
    with pytest.raises(RunnerError, match="too large for 64 bits"):
        encoded([[(2**70, 1)]], ragged=True)


EXPECTED = Expected(n_train=3, n_test=2, shape=(2,), is_ragged=False)


def test_a_folds_file_is_a_function_of_its_arrays(tmp_path: Path) -> None:
    arrays = {"train.values": np.arange(6.0).reshape(3, 2), "test.values": np.ones((2, 2), order="F")}
    (tmp_path / "fold").write_bytes(packed(checked(files_of(arrays), EXPECTED)))
    again = unpacked(tmp_path / "fold", EXPECTED)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
    assert packed(again) == (tmp_path / "fold").read_bytes()


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        (np.zeros((4, 2)), np.zeros((2, 2)), "predictions for the training data have 4 rows, the training data has 3"),
        (np.zeros((3, 2)), np.zeros((5, 2)), "predictions for the test set have 5 rows, the test set has 2"),
        (np.zeros((3, 3)), np.zeros((2, 2)), "have 3 columns a row, this problem takes 2 columns"),
        (np.zeros(3), np.zeros((2, 2)), "have a single number a row, this problem takes 2 columns"),
        (np.zeros((3, 2, 1)), np.zeros((2, 2)), r"the shape \(2, 1\)"),
        (np.float64(1), np.zeros((2, 2)), "have no rows"),
        (np.full((3, 2), np.nan), np.zeros((2, 2)), "predictions for the training data hold NaN"),
        (np.zeros((3, 2)), np.full((2, 2), -np.inf), "predictions for the test set hold NaN or infinity"),
    ],
)
def test_wrong_predictions_are_told_in_words(train: np.ndarray, test: np.ndarray, words: str) -> None:
    with pytest.raises(BadPredictionsError, match=words):
        checked(files_of({"train.values": np.asarray(train), "test.values": test}), EXPECTED)


def test_missing_predictions_are_told_in_words() -> None:
    with pytest.raises(BadPredictionsError, match="no predictions for the test set"):
        checked(files_of({"train.values": np.zeros((3, 2))}), EXPECTED)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"not an array at all",
        npy(np.array([object()]), allow_pickle=True),
        npy(np.zeros(3, dtype=[("a", "f8")])),
        npy(np.array(["a"])),
        npy(np.zeros(5))[:-1],
        npy(np.zeros(5)) + b"x",
        npy(np.zeros(5)).replace(b"(5,)", b"(9,)"),
        npy(np.zeros(5)).replace(b"(5,), }", b"(-5,),}"),
        npy(np.zeros(5)).replace(b"(5,), }   ", b"(10**9,),}"),
        npy(np.zeros(5)).replace(b"'<f8'", b"'|O8'"),
        npy(np.zeros(2)).replace(b"(2,), }" + b" " * 8, b"(2**62,4,),  }"[:15]),
        b"\x93NUMPY\x03\x00\xff\xff\xff\x7f" + b"{" * 100,
    ],
    ids=range(14),
)
def test_bytes_that_only_look_like_an_array_are_refused(content: bytes) -> None:
    with pytest.raises(BadPredictionsError):
        read_npy(content)


def npy_with(header: str, data: bytes = b"") -> bytes:
    content = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + data


def header_of(shape: str, kind: str = "'<f8'") -> str:
    return f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}"


@pytest.mark.parametrize(
    "content",
    [
        npy_with(header_of(f"(5, {'1, ' * 70})"), bytes(40)),
        npy_with(header_of("(0, 9223372036854775808)")),
        npy_with(header_of("(0, 4611686018427387904)")),
        npy_with(header_of("(0, 1099511627776, 1099511627776, 1099511627776)")),
        npy_with(header_of("(True, True)"), bytes(8)),
        npy_with(header_of("(5,)", "'<a8'"), bytes(40)),
        npy_with("{[1]: 2}"),
        npy_with("{{1}: 2}"),
    ],
    ids=[
        "71 dimensions",
        "a length of no array",
        "more than memory",
        "more together",
        "lengths that are no numbers",
        "old",
        "list",
        "set",
    ],
)
def test_a_header_that_numpy_stumbles_over_is_refused(content: bytes) -> None:
    with pytest.raises(BadPredictionsError):
        read_npy(content)


JUNK = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.none(), st.text(max_size=4), st.sampled_from(["<f8", "|O", "<f2", "V8"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.lists(inner, max_size=3)),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries({"descr": st.one_of(st.just("<f8"), JUNK), "fortran_order": JUNK, "shape": JUNK}),
    st.binary(max_size=64),
)
def test_any_header_is_an_arrays_or_refused(header: dict[str, Any], data: bytes) -> None:
    try:
        array = read_npy(npy_with(repr(header), data))
    except BadPredictionsError:
        return
    assert array.dtype.kind in "biuf"


@given(st.binary(max_size=300), st.integers(0, 90))
def test_any_bytes_are_an_array_or_refused(noise: bytes, at: int) -> None:
    for content in (noise, npy(np.arange(4.0))[:at] + noise):
        try:
            array = read_npy(content)
        except BadPredictionsError:
            continue
        assert array.dtype.kind in "biuf"


@pytest.mark.parametrize(
    "change",
    [
        {"offsets": np.array([0, 2, 1])},
        {"offsets": np.array([0, 1, 9])},
        {"offsets": np.array([1, 1, 2])},
        {"offsets": np.array([0.0, 1.0, 2.0])},
        {"offsets": np.array([0, 2])},
        {"values": np.zeros(2)},
        {"is_none": np.array([0, 1])},
        {"is_none": np.array([True])},
        {"values": np.full((2, 4), np.nan)},
    ],
    ids=range(9),
)
def test_detections_that_do_not_fit_together_are_refused(change: dict[str, np.ndarray]) -> None:
    right = {"values": np.zeros((2, 4)), "offsets": np.array([0, 1, 2]), "is_none": np.array([False, False])}
    expected = Expected(2, None, (), is_ragged=True)
    checked(files_of({f"train.{name}": array for name, array in right.items()}), expected)
    with pytest.raises(BadPredictionsError):
        checked(files_of({f"train.{name}": array for name, array in {**right, **change}.items()}), expected)


def test_a_folds_file_with_too_many_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fold").write_bytes(pack_files({str(number): b"" for number in range(100)}))
    with pytest.raises(BadPredictionsError, match="damaged"):
        unpacked(tmp_path / "fold", EXPECTED)
