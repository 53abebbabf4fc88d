"""Runs under a Python that has ramp-workflow: all scores of one run, by its own functions or by what the scorer's sandbox runs.

ramp_scoring.py BY N_TRAIN N_TEST N_FOLDS, with `ramp` or `palio` as BY; prints seconds and all scores, in the same order, as JSON.
"""

import contextlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
METRICS = ("Accuracy", "ROCAUC", "NegativeLogLikelihood")
#: A metric may take as long as it likes here.
NO_LIMIT_S = 3600.0


def main() -> None:
    """Score, and print."""
    by, *numbers = sys.argv[1:]
    n_train, n_test, n_folds = map(int, numbers)
    random = np.random.default_rng(1)
    y_train, y_test = (random.integers(0, 2, n) for n in (n_train, n_test))
    order = random.permutation(n_train)
    held_out = [np.sort(part) for part in np.array_split(order, n_folds)]
    folds = [(np.setdiff1d(np.arange(n_train), valid), valid) for valid in held_out]
    predictions = [{"train": _made_up(random, y_train), "test": _made_up(random, y_test)} for _ in folds]
    score = _by_ramp if by == "ramp" else _by_palio
    json.dump(score(y_train, y_test, folds, predictions), sys.stdout)


def _made_up(random: Any, truth: Any) -> Any:
    right = np.clip(random.normal(0.6, 0.2, len(truth)), 0.01, 0.99)
    of_one = np.where(truth == 1, right, 1 - right)
    return np.stack([1 - of_one, of_one], axis=1)


def _by_ramp(y_train: Any, y_test: Any, folds: list[Any], predictions: list[dict[str, Any]]) -> dict[str, Any]:
    import rampwf  # noqa: PLC0415 - only there
    from rampwf.utils.combine import get_score_cv_bags  # noqa: PLC0415
    from rampwf.utils.scoring import score_matrix  # noqa: PLC0415

    metrics = [getattr(rampwf.score_types, name)(name=name) for name in METRICS]
    make = rampwf.prediction_types.make_multiclass(label_names=[0, 1])
    started = time.perf_counter()
    scores = []
    kept: dict[str, list[Any]] = {"valid": [], "test": []}
    truth, truth_of_test = make(y_true=y_train), make(y_true=y_test)
    with contextlib.redirect_stdout(io.StringIO()):
        for (train_is, valid_is), of_fold in zip(folds, predictions, strict=True):
            truths = {"train": make(y_true=y_train[train_is]), "valid": make(y_true=y_train[valid_is]), "test": truth_of_test}
            given = {
                "train": make(y_pred=of_fold["train"][train_is]),
                "valid": make(y_pred=of_fold["train"][valid_is]),
                "test": make(y_pred=of_fold["test"]),
            }
            table = score_matrix(metrics, ground_truth=truths, predictions=given)
            scores += [float(table.loc[part, name]) for name in METRICS for part in ("train", "valid", "test")]
            kept["valid"].append(given["valid"])
            kept["test"].append(given["test"])
        for metric in metrics:
            scores += map(float, get_score_cv_bags(metric, kept["valid"], truth, test_is_list=[valid for _, valid in folds])[1])
            scores += map(float, get_score_cv_bags(metric, kept["test"], truth_of_test)[1])
    return {"seconds": time.perf_counter() - started, "scores": scores}


def _by_palio(y_train: Any, y_test: Any, folds: list[Any], predictions: list[dict[str, Any]]) -> dict[str, Any]:
    sys.path[:0] = [str(ROOT), str(ROOT / "sdk/src")]
    import palio  # noqa: PLC0415 - where this repository is
    from shared.execution.runner import score as runner  # noqa: PLC0415
    from shared.execution.runner.bagging import Book  # noqa: PLC0415

    metrics = [getattr(palio.score_types, name)(name=name) for name in METRICS]
    problem = SimpleNamespace(Predictions=palio.prediction_types.make_multiclass(label_names=[0, 1]), score_types=metrics)
    with tempfile.TemporaryDirectory() as folder:
        for number, of_fold in enumerate(predictions):
            (Path(folder) / str(number)).mkdir()
            for part, values in of_fold.items():
                np.save(Path(folder) / str(number) / f"{part}.values.npy", values)
        runner._PREDICTIONS = Path(folder)  # noqa: SLF001 - where the sandbox mounts them
        ready = runner.Ready(problem, y_train, y_test, folds, has_test_set=True)
        started = time.perf_counter()
        found = runner._scored(ready, len(folds), Book(NO_LIMIT_S))  # noqa: SLF001 - what the sandbox runs
        seconds = time.perf_counter() - started
    scores = [each[part] for each in found["folds"] for part in ("train", "valid", "test")]
    scores += [score for each in found["bagged"] for score in (*each["valid"], *each["test"])]
    return {"seconds": seconds, "scores": scores}


if __name__ == "__main__":
    main()
