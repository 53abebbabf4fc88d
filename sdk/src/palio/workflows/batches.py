"""Examples in batches without end, as frameworks for networks take them, of whatever kind; no framework is imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from palio.rows import take_rows

Batch = tuple[Any, Any]
Indices = npt.NDArray[np.intp]


class BatchGeneratorBuilder:
    """Makes generators of batches of X and y for a submission's `fit`.

    `X_array` and `y_array` have `nb_examples` rows. A derived class says in `batches` how one pass through some rows goes.
    """

    def __init__(self, X_array: Any, y_array: Any) -> None:
        self.X_array = X_array
        self.y_array = y_array
        self.nb_examples = len(X_array)

    def get_train_valid_generators(
        self, batch_size: int = 256, valid_ratio: float = 0.1
    ) -> tuple[Iterator[Batch], Iterator[Batch], int, int]:
        """Generators for training and for validation, and the number of examples that each passes through.

        The last `valid_ratio` of the examples are for validation. Both begin again when they are through, without end.
        """
        nb_valid = int(valid_ratio * self.nb_examples)
        nb_train = self.nb_examples - nb_valid
        rows = np.arange(self.nb_examples)
        return self._endless(rows[:nb_train], batch_size), self._endless(rows[nb_train:], batch_size), nb_train, nb_valid

    def batches(self, rows: Indices, batch_size: int) -> Iterator[Batch]:
        """One pass through these rows: X and y of at most `batch_size` rows at a time."""
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            yield take_rows(self.X_array, batch), take_rows(self.y_array, batch)

    def _endless(self, rows: Indices, batch_size: int) -> Iterator[Batch]:
        # A pass without a batch, again and again, would never come back to who waits for one.
        if not len(rows):
            raise ValueError(
                f"There is no batch: of {self.nb_examples} examples none is left for this generator; ask for another valid_ratio."
            )
        while True:
            yield from self.batches(rows, batch_size)


def get_nb_minibatches(nb_samples: int, batch_size: int) -> int:
    """How many batches a pass through so many examples has; the last one may be smaller."""
    return -(-nb_samples // batch_size)
