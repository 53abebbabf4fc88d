"""What every fold of a trial begins with: a copy of the kit's data, and the seeds that the platform sets."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from palio.kit import Indices, Problem

#: Of `random` and of numpy's global generator, anew for every fold: the platform's.
SEED = 0


@dataclass(frozen=True)
class TrialData:
    """What a kit has: training set, test set (None, None for none), and the folds of the former."""

    train: tuple[Any, Any]
    test: tuple[Any, Any]
    folds: list[tuple[Indices, Indices]]

    @classmethod
    def of(cls, problem: Problem) -> TrialData:
        """Read a kit's data; raises KitError if they cannot be read.

        With the seeds set, so that folds without a `random_state` are the same in every process, and again for a blend.
        """
        seed_generators()
        X, y = problem.train_data()
        return cls((X, y), problem.test_data(), problem.folds(X, y))

    @property
    def has_test_set(self) -> bool:
        """Whether there is something to score test predictions against."""
        return self.test[0] is not None and self.test[1] is not None


def own_copy(data: Any) -> Any:
    """A copy that a submission may change without another fold or a metric seeing it.

    What cannot be copied, such as a file that is held open, is handed on as it is.
    """
    try:
        return copy.deepcopy(data)
    except Exception:  # noqa: BLE001 - whatever a kit's container raises
        return data


def seed_generators() -> None:
    """Set the seeds, as the platform does before each fold."""
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - the generator that participants' libraries use
