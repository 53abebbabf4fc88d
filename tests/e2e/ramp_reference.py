"""Runs in an environment with ramp-workflow: the scores that its own functions give a submission, unrounded, as JSON.

ramp_reference.py KIT SUBMISSION
"""

import json
import os
import sys
from pathlib import Path

from rampwf.utils import assert_read_problem
from rampwf.utils.combine import get_score_cv_bags
from rampwf.utils.submission import run_submission_on_cv_fold


def main() -> None:
    """Print `{"folds": [{metric: {split: score}}], "bagged": {metric: {split: score}}}`."""
    kit, submission = sys.argv[1:]
    os.chdir(kit)
    problem = assert_read_problem()
    X_train, y_train = problem.get_train_data(path=".")
    X_test, y_test = problem.get_test_data(path=".")
    folds = list(problem.get_cv(X_train, y_train))
    valid_predictions, test_predictions, fold_scores = [], [], []
    for fold in folds:
        valid, test, table = run_submission_on_cv_fold(
            problem, str(Path("submissions") / submission), fold, X_train, y_train, X_test, y_test
        )
        valid_predictions.append(valid)
        test_predictions.append(test)
        fold_scores.append({metric: table[metric].to_dict() for metric in table.columns if metric != "time"})
    truth = {"valid": problem.Predictions(y_true=y_train), "test": problem.Predictions(y_true=y_test)}
    bagged = {}
    for metric in problem.score_types:
        _, valid = get_score_cv_bags(metric, valid_predictions, truth["valid"], test_is_list=[fold[1] for fold in folds])
        _, test = get_score_cv_bags(metric, test_predictions, truth["test"], test_is_list=None)
        bagged[metric.name] = {"valid": valid[-1], "test": test[-1]}
    json.dump({"folds": fold_scores, "bagged": bagged}, sys.stdout)


if __name__ == "__main__":
    main()
