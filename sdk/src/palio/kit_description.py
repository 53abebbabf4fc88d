"""What commands must know of a kit: its title, folds, files and metrics. The inner side, which runs in the kit's environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from palio import kit
from palio.channel import own_channel
from palio.kit import KitError, Problem


def description(problem: Problem, n_folds: int | None = None) -> dict[str, Any]:
    """What tables and progress need; `n_folds` is None where no data were read."""
    return {
        "title": problem.title,
        "n_folds": n_folds,
        "elements": list(problem.element_files),
        "metrics": [
            # Whatever a kit writes, such as numpy's numbers, as what JSON has.
            {
                "name": str(metric.name),
                "precision": int(metric.precision),
                "is_lower_the_better": bool(metric.is_lower_the_better),
            }
            for metric in problem.score_types
        ],
    }


def main(arguments: list[str]) -> int:
    """Describe `[kit folder]`, without its data; 1 if that is no kit."""
    say = own_channel()
    try:
        say("kit", **description(kit.load(Path(arguments[0]))))
    except KitError as error:
        say("failed", outcome="kit_error", reason=str(error), traceback=error.detail)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
