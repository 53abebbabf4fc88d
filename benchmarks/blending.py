"""Seconds for the ensemble of one fold, by ramp-workflow and by `palio.ensembles`, on the same predictions in the same run.

Examples:
  python -m benchmarks.blending
  python -m benchmarks.blending --submissions 20 100 --ramp-up-to 20

"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.figures import Arguments, Figures, say

HERE = Path(__file__).resolve().parent
#: What the tests of the SDK compare with; they make it.
RAMP_PYTHON = HERE.parent / f".palio/test-cache/ramp-{sys.version_info.major}.{sys.version_info.minor}/bin/python"


def main() -> None:
    """Measure, and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--submissions", type=int, nargs="+", default=[20, 100, 1000])
    parser.add_argument("--ramp-up-to", type=int, default=100, help="ramp-workflow takes minutes for more")
    parser.add_argument("--metrics", nargs="+", default=["Accuracy", "NegativeLogLikelihood", "F1Above"])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--ramp-python", type=Path, default=RAMP_PYTHON, help="a Python that has ramp-workflow")
    options = parser.parse_args()
    headings = ("metric", "submissions", "picks", "ramp-workflow, s", "palio, s", "ratio", "same picks", "palio, one more, s")
    figures = Figures(f"An ensemble for one fold of {options.rows:,} rows and {options.classes} classes", headings)
    for metric in options.metrics:
        for n_submissions in options.submissions:
            ours = _blended(options, "palio", metric, n_submissions)
            theirs = _blended(options, "ramp", metric, n_submissions) if n_submissions <= options.ramp_up_to else None
            ratio, same = (
                (None, None) if theirs is None else (theirs["seconds"] / ours["seconds"], theirs["picks"] == ours["picks"])
            )
            figures.add(
                metric,
                n_submissions,
                len(ours["picks"]),
                None if theirs is None else theirs["seconds"],
                ours["seconds"],
                ratio,
                None if same is None else str(same),
                ours["one_more"],
            )
    figures.print(as_json=options.json)


def _blended(options: argparse.Namespace, by: str, metric: str, n_submissions: int) -> dict[str, Any]:
    say(f"{by}: {metric}, {n_submissions} submissions")
    command = [
        options.ramp_python,
        HERE / "ramp_blending.py",
        by,
        metric,
        str(n_submissions),
        str(options.rows),
        str(options.classes),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
