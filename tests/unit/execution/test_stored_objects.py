"""X, y and folds in files that are mapped."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.execution.runner.stored import Stored, load


def stored(content: object, folder: Path) -> Path:
    file = Stored(content)
    written = b"".join(bytes(part) for part in file.parts())
    assert len(written) == file.size
    (folder / "stored").write_bytes(written)
    return folder / "stored"


def test_tables_and_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.5, None, 3], "b": ["x", None, "z"], "c": pd.Categorical(["u", "v", "u"])}, index=[3, 1, 2])
    arrays = {"f": np.asfortranarray(np.arange(12.0).reshape(3, 4)), "strided": np.arange(20)[::3], "empty": np.empty((0, 3))}
    objects = np.array([[(1, 2.0)], None, []], dtype=object)
    path = stored((table, arrays, objects, "folder", None), tmp_path)
    table_again, arrays_again, objects_again, text, nothing = load(path)
    pd.testing.assert_frame_equal(table_again, table)
    for name, array in arrays.items():
        np.testing.assert_array_equal(arrays_again[name], array)
        assert arrays_again[name].dtype == array.dtype
    assert list(objects_again) == list(objects)
    assert (text, nothing) == ("folder", None)


def test_what_is_loaded_can_be_edited_without_changing_the_file(tmp_path: Path) -> None:
    path = stored(np.zeros(1000), tmp_path)
    path.chmod(0o444)
    before = path.read_bytes()
    loaded = load(path)
    loaded += 1
    assert loaded.sum() == 1000
    assert path.read_bytes() == before
    assert load(path).sum() == 0


def test_arrays_are_aligned(tmp_path: Path) -> None:
    loaded = load(stored([np.zeros(n) for n in range(1, 6)], tmp_path))
    assert all(array.ctypes.data % 64 == 0 for array in loaded)


def test_equal_objects_give_equal_files(tmp_path: Path) -> None:
    content = {"x": np.arange(5), "t": "text"}
    assert stored(content, tmp_path).read_bytes() == stored({"x": np.arange(5), "t": "text"}, tmp_path).read_bytes()


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match="not a file of stored objects"):
        load(tmp_path / "other")


@given(st.lists(st.integers(0, 300), max_size=6))
def test_any_number_of_buffers_of_any_size_fits(sizes: list[int]) -> None:
    content = [np.full(size, index, dtype=np.uint8) for index, size in enumerate(sizes)]
    file = Stored(content)
    assert len(b"".join(bytes(part) for part in file.parts())) == file.size
