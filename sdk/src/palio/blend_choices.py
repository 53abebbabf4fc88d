"""What `palio blend` is asked for; apart from `palio.blending`, which needs numpy, so that commands start fast."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class BlendChoices:
    """What is blended, and how."""

    submissions: Sequence[str]
    #: Name of the metric that picks; None: the official one.
    metric: str | None = None
    #: Where to stop: see `palio.ensembles.Rules`.
    min_improvement: float = 0.0
    max_members: int = 80
    data_label: str | None = None
    #: Write scores and contributivities into `submissions/training_output/`.
    save_output: bool = False

    def to_json(self) -> str:
        """For the command line of the inner side."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> BlendChoices:
        """What `to_json` wrote."""
        return cls(**json.loads(text))
