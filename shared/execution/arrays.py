"""Predictions on their way out of a sandbox: arrays of numbers that a stranger wrote, checked and kept as one file.

Nothing is ever unpickled: a `.npy` is taken only if its header says plain numbers and its size is what the header promises.
The file of a fold is a tar of `.npy` files in a fixed order, written anew from what was read.
"""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from shared.artefacts.archives import ArchiveError, ArchiveLimits, pack_files, read_archive

Array = NDArray[np.generic]
PARTS = ("train", "test")
_NAMES = ("values", "offsets", "is_none")
_NUMERIC = "biuf"
_MAX_HEADER_BYTES = 1024
_MAX_FILES = 16
_WHERE = {"train": "the training data", "test": "the test set"}


class BadPredictionsError(ValueError):
    """The predictions cannot be taken; the message is a sentence for the participant."""


@dataclass(frozen=True)
class Expected:
    """What predictions must look like. `shape` is that of one row: () or (n_columns,); ragged ones have none."""

    n_train: int
    n_test: int | None
    shape: tuple[int, ...]
    is_ragged: bool


def checked(files: Mapping[str, bytes], expected: Expected) -> dict[str, Array]:
    """The arrays of a fold by `<part>.<name>`, as the runner sends them (see `runner.predictions`), finite and of the right shape.

    Raises `BadPredictionsError`.
    """
    arrays = {}
    for part, n_rows in (("train", expected.n_train), ("test", expected.n_test)):
        if n_rows is None:
            continue
        for name in _NAMES if expected.is_ragged else _NAMES[:1]:
            key = f"{part}.{name}"
            if f"{key}.npy" not in files:
                raise BadPredictionsError(f"there are no predictions for {_WHERE[part]}")
            arrays[key] = read_npy(files[f"{key}.npy"])
        if expected.is_ragged:
            _check_ragged(arrays, part, n_rows)
        else:
            _check_numeric(arrays[f"{part}.values"], part, n_rows, expected.shape)
        if not np.isfinite(arrays[f"{part}.values"]).all():
            raise BadPredictionsError(f"predictions for {_WHERE[part]} hold NaN or infinity")
    return arrays


def read_npy(content: bytes) -> Array:
    """An array of numbers from the bytes of a `.npy`. Raises `BadPredictionsError` for anything else."""
    file = io.BytesIO(content)
    try:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read_header(file, max_header_size=_MAX_HEADER_BYTES)
    except Exception as error:
        # A stranger's header, read as Python: whatever numpy stumbles over in it.
        raise BadPredictionsError(f"predictions are no array that can be read ({str(error)[:200]})") from error
    if dtype.kind not in _NUMERIC or dtype.itemsize > np.dtype(np.float64).itemsize or dtype.subdtype:
        raise BadPredictionsError(f"predictions are of type {dtype}, numbers are needed")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise BadPredictionsError("predictions are of a shape that no array has")
    if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise BadPredictionsError("predictions are of another size than their header says")
    array = np.frombuffer(content, dtype=dtype, offset=file.tell())
    try:
        return array.reshape(shape, order="F" if fortran_order else "C")
    except (ValueError, OverflowError) as error:
        # More dimensions than numpy has, or beside a length of 0 others that nothing could have.
        raise BadPredictionsError("predictions are of a shape that no array has") from error


def packed(arrays: Mapping[str, Array]) -> bytes:
    """The file of a fold: equal arrays give equal bytes."""
    files = {}
    for name, array in arrays.items():
        content = io.BytesIO()
        npy.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
        files[f"{name}.npy"] = content.getvalue()
    return pack_files(files)


def unpacked(file: Path, expected: Expected) -> dict[str, Array]:
    """What `packed` wrote, checked again: between the two it was in the hands of a trainer. Raises `BadPredictionsError`."""
    try:
        content = file.read_bytes()
        files = read_archive(content, ArchiveLimits(max_bytes=len(content), max_files=_MAX_FILES))
    except ArchiveError as error:
        raise BadPredictionsError(f"the stored predictions are damaged: {error}") from error
    return checked(files, expected)


def _check_numeric(values: Array, part: str, n_rows: int, shape: tuple[int, ...]) -> None:
    if values.ndim == 0 or len(values) != n_rows:
        rows = "no rows" if values.ndim == 0 else f"{len(values)} rows"
        raise BadPredictionsError(f"predictions for {_WHERE[part]} have {rows}, {_WHERE[part]} has {n_rows}")
    if values.shape[1:] != shape:
        raise BadPredictionsError(
            f"predictions for {_WHERE[part]} have {_columns(values.shape[1:])} a row, this problem takes {_columns(shape)}"
        )


def _columns(shape: tuple[int, ...]) -> str:
    if not shape:
        return "a single number"
    return f"{shape[0]} columns" if len(shape) == 1 else f"the shape {shape}"


def _check_ragged(arrays: Mapping[str, Array], part: str, n_rows: int) -> None:
    values, offsets, is_none = (arrays[f"{part}.{name}"] for name in _NAMES)
    if is_none.ndim != 1 or len(is_none) != n_rows:
        raise BadPredictionsError(f"predictions for {_WHERE[part]} have {is_none.size} rows, {_WHERE[part]} has {n_rows}")
    whole = values.ndim == 2 and offsets.dtype == np.int64 and is_none.dtype == np.bool_ and offsets.shape == (n_rows + 1,)  # noqa: PLR2004 - a table
    if not whole or offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets.astype(np.int64)) < 0).any():
        raise BadPredictionsError(f"predictions for {_WHERE[part]} are damaged")
