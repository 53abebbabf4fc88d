"""Reading pictures from files. No library for pictures is a dependency: the one that a kit's environment has is used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from palio.rows import Rows, take_rows
from palio.workflows.base import Workflow

Image = npt.NDArray[Any]
#: Makes an array of the file of a picture.
Read = Callable[[str], Image]


class OfImages(Workflow):
    """A workflow whose X is a pair: the folder of the files, and the name of the file of each row, (n_rows,)."""

    def take(self, X: Any, rows: Rows | None) -> Any:
        """The folder, and these names."""
        folder, names = X
        return folder, take_rows(names, rows)

    def n_rows(self, X: Any) -> int:
        """The number of names."""
        return len(X[1])


def read_image(path: str) -> Image:
    """A picture, (height, width) or (height, width, n_channels): a `.npy` by numpy, others by scikit-image or, without it, Pillow.

    Raises ImportError where neither is installed.
    """
    if Path(path).suffix == ".npy":
        return np.asarray(np.load(path))
    if find_spec("skimage") is not None:
        return np.asarray(import_module("skimage.io").imread(path))
    if find_spec("PIL") is None:
        raise ImportError(
            f"{Path(path).name} cannot be read: name scikit-image or pillow in the kit's requirements.txt, or give the workflow a "
            "function that makes an array of a file: read=…"
        )
    with import_module("PIL.Image").open(path) as image:
        # Of a picture with a palette, scikit-image too gives the colours and not their numbers.
        return np.asarray(image.convert(image.palette.mode) if image.mode == "P" else image)


def read_images(folder: str, names: Sequence[Any], read: Read, n_jobs: int = 1) -> list[Image]:
    """The pictures of these files, in order, read by `n_jobs` threads; -1 for one a processor."""
    paths = [os.path.join(folder, str(name)) for name in names]  # noqa: PTH118 - what kits join is text
    n_threads = min(n_jobs if n_jobs > 0 else _n_processors(), len(paths))
    if n_threads <= 1:
        return [read(path) for path in paths]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(read, paths))


def _n_processors() -> int:
    """Those that this process may use: in a sandbox, and on shared machines, not all that there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
