"""Runs in an environment with ramp-workflow: what it blends of several submissions to a kit, as JSON.

ramp_blend.py KIT FOLDER, with the kit as it is for `ramp-test`. The submissions are the starting kit and worse ones made of its
predictions; the predictions of all are pickled into FOLDER as `<submission>/<fold>.pickle`: those for all training rows, and for the
test set or None. `null` for NaN and infinity.
"""

import contextlib
import inspect
import json
import os
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
from ramp_numbers import finite
from rampwf.utils import assert_read_problem
from rampwf.utils.combine import get_score_cv_bags
from rampwf.utils.testing import blend_on_fold

N_SUBMISSIONS = 5


def main() -> None:
    kit, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    os.chdir(kit)
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):
        blended = blended_of(folder)
    json.dump(blended, sys.stdout)


def blended_of(folder: Path) -> dict[str, object]:
    problem = assert_read_problem()
    (x_train, y_train), (x_test, y_test) = problem.get_train_data(path="."), problem.get_test_data(path=".")
    folds = list(problem.get_cv(x_train, y_train))
    picks, bags = [], {"combined": ([], []), "foldwise_best": ([], [])}
    for number, fold in enumerate(folds):
        valid, test = [], []
        for submission, predicted in enumerate(_submissions(problem, fold, x_train, y_train, x_test, number)):
            path = folder / str(submission) / f"{number}.pickle"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pickle.dumps(predicted))
            valid.append(problem.Predictions(y_pred=predicted[0], fold_is=fold[1]))
            test.append(problem.Predictions(y_pred=predicted[1]) if predicted[1] is not None else None)
        truth = problem.Predictions(y_true=y_train, fold_is=fold[1])
        of_fold = [int(pick) for pick in blend_on_fold(valid, truth, problem.score_types[0])]
        picks.append(of_fold)
        for name, chosen in (("combined", of_fold), ("foldwise_best", of_fold[:1])):
            for bag, predictions in zip(bags[name], (valid, test), strict=True):
                kept = [predictions[pick] for pick in chosen]
                bag.append(problem.Predictions.combine(kept) if len(kept) > 1 else kept[0])
    scores = {name: _scores(problem, bag, y_train, y_test, folds) for name, bag in bags.items()}
    return {"picks": picks, **scores}


def _submissions(problem: object, fold: tuple, x_train: object, y_train: object, x_test: object, seed: int) -> list[tuple]:
    model = problem.workflow.train_submission("submissions/starting_kit", x_train, y_train, fold[0])
    takes_fold = "fold" in inspect.signature(problem.workflow.test_submission).parameters

    def predict(x: object, of: object) -> object:
        return problem.workflow.test_submission(model, x, of) if takes_fold else problem.workflow.test_submission(model, x)

    own = (predict(x_train, fold), predict(x_test, None) if x_test is not None else None)
    random = np.random.default_rng(seed)
    return [own] + [tuple(_worse(random, part, number) for part in own) for number in range(1, N_SUBMISSIONS)]


def _worse(random: np.random.Generator, predicted: object, number: int) -> object:
    """Numbers with noise, beyond [0, 1] too; of detections, circles that are elsewhere or not there."""
    if predicted is None:
        return None
    if isinstance(predicted, np.ndarray) and predicted.dtype != object:
        scale = 0.2 * number * np.std(predicted.astype(float), axis=0)
        noisy = predicted + random.normal(0, 1, predicted.shape) * scale
        return np.rint(noisy) if np.array_equal(predicted, np.rint(predicted)) else noisy
    images = np.empty(len(predicted), dtype=object)
    for image, circles in enumerate(predicted):
        kept = None if circles is None else [circle for circle in circles if random.random() > 0.2 * number]
        images[image] = kept and [(circle[0], *(x + random.normal(0, 0.5 * number) for x in circle[1:])) for circle in kept]
    return images


def _scores(problem: object, bag: tuple, y_train: object, y_test: object, folds: list) -> dict[str, dict[str, float | None]]:
    scores = {}
    for metric in problem.score_types:
        truth = problem.Predictions(y_true=y_train)
        valid = get_score_cv_bags(metric, bag[0], truth, test_is_list=[valid_is for _, valid_is in folds])[1][-1]
        test = get_score_cv_bags(metric, bag[1], problem.Predictions(y_true=y_test))[1][-1] if y_test is not None else None
        scores[metric.name] = {"valid": finite(valid), "test": None if test is None else finite(test)}
    return scores


if __name__ == "__main__":
    main()
