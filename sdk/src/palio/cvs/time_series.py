"""Folds of rows that follow each other in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


class TimeSeries:
    """Growing blocks: fold k trains on all rows before a moment and validates on all after it, so nobody learns from the future.

    The last `cv_block_size` of the rows is cut into `n_cv` blocks, each as many whole periods of `period` rows as fit; fold k
    trains on what comes before those blocks and on the first k of them. `unit` and `unit_2` name a row and a period.
    """

    def __init__(
        self, n_cv: int = 8, cv_block_size: float = 0.5, period: int = 12, unit: str = "", unit_2: str | None = None
    ) -> None:
        self.n_cv = n_cv
        self.cv_block_size = cv_block_size
        self.period = period
        self.unit = unit
        self.unit_2 = unit_2

    def get_cv(self, X: Any, y: Any) -> Iterator[tuple[Indices, Indices]]:  # noqa: ARG002 - the contract's arguments
        """Rows for training and for validation of each fold. Raises ValueError when a block is shorter than a period."""
        n_rows = len(y)
        block = int(n_rows * self.cv_block_size / self.n_cv / self.period) * self.period
        if block == 0:
            raise ValueError(
                f"{n_rows} rows do not give {self.n_cv} blocks of at least {self.period} rows in {self.cv_block_size:.0%} of them:"
                " take fewer folds (n_cv), a larger cv_block_size, or a shorter period."
            )
        first = n_rows - block * self.n_cv
        for fold in range(self.n_cv):
            cut = first + fold * block
            yield np.arange(cut), np.arange(cut, n_rows)
