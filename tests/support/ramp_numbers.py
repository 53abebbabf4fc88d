"""Runs in an environment with ramp-workflow: the numbers that its own functions give a kit's submission, as JSON.

ramp_numbers.py KIT SUBMISSION, with the kit as it is for `ramp-test`. `null` for NaN and infinity.
"""

import contextlib
import json
import math
import os
import sys
import warnings
from pathlib import Path

from rampwf.utils import assert_read_problem
from rampwf.utils.combine import get_score_cv_bags
from rampwf.utils.submission import run_submission_on_cv_fold


def main() -> None:
    kit, submission = sys.argv[1:]
    os.chdir(kit)
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):
        numbers = numbers_of(submission)
    json.dump(numbers, sys.stdout)


def numbers_of(submission: str) -> dict[str, object]:
    problem = assert_read_problem()
    x_train, y_train = problem.get_train_data(path=".")
    x_test, y_test = problem.get_test_data(path=".")
    folds = list(problem.get_cv(x_train, y_train))
    kept: dict[str, list[object]] = {"valid": [], "test": []}
    of_folds = []
    for fold in folds:
        *predictions, table = run_submission_on_cv_fold(
            problem, str(Path("submissions") / submission), fold, x_train, y_train, x_test, y_test
        )
        kept["valid"].append(predictions[0])
        kept["test"].append(predictions[1])
        of_folds.append(
            {metric.name: {part: finite(table.loc[part, metric.name]) for part in table.index} for metric in problem.score_types}
        )
    bagged: dict[str, dict[str, object]] = {}
    for metric in problem.score_types:
        truth = problem.Predictions(y_true=y_train)
        _, valid = get_score_cv_bags(metric, kept["valid"], truth, test_is_list=[valid_is for _, valid_is in folds])
        test = get_score_cv_bags(metric, kept["test"], problem.Predictions(y_true=y_test))[1] if y_test is not None else []
        bagged[metric.name] = {"valid": [finite(score) for score in valid], "test": [finite(score) for score in test]}
    return {"folds": of_folds, "bagged": bagged, "score_kind": getattr(problem, "leaderboard_score_kind", "bag")}


def finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


if __name__ == "__main__":
    main()
