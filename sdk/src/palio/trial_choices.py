"""What is wanted of `palio test` beside scores; apart from `palio.trial`, which needs numpy, so that commands start fast."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from palio.contract_errors import KitError

#: `{"fold": k}`, `{"retrain": True}` or `{"bag": True}`.
Job = dict[str, Any]


@dataclass(frozen=True)
class Choices:
    """How a submission is tried."""

    #: Let the kit take less data, by RAMP_TEST_MODE=1.
    quick: bool = False
    #: Which of a kit's data sets: what `get_train_data` and `get_test_data` get as `data_label`.
    data_label: str | None = None
    #: Train once more, on all training rows.
    retrain: bool = False
    #: Write predictions and scores into the submission's `training_output/`.
    save_output: bool = False
    #: Write the trained models there.
    pickle: bool = False
    #: Train the models further that are there.
    partial_train: bool = False

    def __post_init__(self) -> None:
        if self.data_label is not None:
            check_label(self.data_label)

    @property
    def writes(self) -> bool:
        """Whether anything is written into the submission's folder."""
        return self.save_output or self.pickle

    def jobs(self, n_folds: int) -> list[Job]:
        """What a trial consists of; the last one needs what the others left."""
        return [*({"fold": number} for number in range(n_folds)), *([{"retrain": True}] if self.retrain else []), {"bag": True}]

    def to_json(self) -> str:
        """For the command line of the inner side."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Choices:
        """What `to_json` wrote."""
        return cls(**json.loads(text))


def check_label(label: str) -> None:
    """Raise KitError unless a data label can be the name of a folder: outputs are kept under it."""
    parts = PurePosixPath(label.replace("\\", "/")).parts
    if len(parts) != 1 or label in {".", ".."} or ":" in label or re.fullmatch(r"fold_\d+", label):
        raise KitError(
            f"{label!r} cannot be a data label: it must be the name of a folder, such as the one in data/ that it means,"
            " and none that a fold has."
        )
