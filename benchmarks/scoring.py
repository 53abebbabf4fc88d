"""Seconds for all scores of one run, every fold and every bagged prefix, by ramp-workflow's loop and by the scorer's own code.

Both in one Python, on the same made-up predictions of two classes, by accuracy, ROC AUC and negative log-likelihood. Starting a sandbox and
reading predictions from the object store is not in it: `benchmarks.sandbox_cost` and `benchmarks.flow` have that.

Examples:
  python -m benchmarks.scoring
  python -m benchmarks.scoring --rows 1000000 --folds 2

"""

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.blending import RAMP_PYTHON
from benchmarks.figures import Arguments, Figures, say

SCRIPT = Path(__file__).resolve().parent / "ramp_scoring.py"
#: The size of RAMP's Titanic kit, and a large one: rows to train on, rows to test on, folds.
SIZES = ((712, 179, 8), (1_000_000, 250_000, 2))


def main() -> None:
    """Measure, and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--rows", type=int, help="to train on, and a quarter of it to test on [712 and 1,000,000]")
    parser.add_argument("--folds", type=int, default=8, help="for --rows")
    parser.add_argument("--ramp-python", type=Path, default=RAMP_PYTHON, help="a Python that has ramp-workflow")
    options = parser.parse_args()
    sizes = SIZES if options.rows is None else ((options.rows, options.rows // 4, options.folds),)
    headings = ("rows", "test rows", "folds", "ramp-workflow, s", "palio, s", "ratio", "largest difference")
    figures = Figures("All scores of one run", headings)
    for n_train, n_test, n_folds in sizes:
        found = {}
        for by in ("ramp", "palio"):
            say(f"{by}: {n_train:,} rows, {n_folds} folds")
            found[by] = _scored(options.ramp_python, by, n_train, n_test, n_folds)
        theirs, ours = found["ramp"], found["palio"]
        difference = max(abs(one - other) for one, other in zip(theirs["scores"], ours["scores"], strict=True))
        figures.add(n_train, n_test, n_folds, theirs["seconds"], ours["seconds"], theirs["seconds"] / ours["seconds"], difference)
    figures.print(as_json=options.json)


def _scored(python: Path, by: str, *numbers: int) -> dict[str, Any]:
    done = subprocess.run([python, SCRIPT, by, *map(str, numbers)], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
