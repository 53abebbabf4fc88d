"""Role `score`: the predictions of all folds of one run, against labels that only this sandbox holds."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from . import stored
from .bagging import Bag, Book
from .channel import Channel
from .faults import whole_traceback, words_of
from .kit import load_problem
from .predictions import decoded

_DATA = Path("/data")
_PREDICTIONS = Path("/job/predictions")


class Ready:
    """The kit and the labels."""

    def __init__(self, problem: Any, y_train: Any, y_test: Any, folds: list[tuple[Any, Any]], *, has_test_set: bool) -> None:
        self.problem = problem
        self.y_train = y_train
        self.y_test = y_test
        self.has_test_set = has_test_set
        self.folds = folds

    @classmethod
    def load(cls) -> Ready:
        """From their mounts."""
        problem = load_problem()
        has_test_set = (_DATA / "y_test").exists()
        y_test = stored.load(_DATA / "y_test") if has_test_set else None
        folds = stored.load(_DATA / "folds")
        return cls(problem, stored.load(_DATA / "y_train"), y_test, folds, has_test_set=has_test_set)


def run(ready: Ready, job: dict[str, Any], channel: Channel) -> None:
    """Score, and send `scores.json`, or `fault.json` if the kit cannot."""
    try:
        scores = _scored(ready, int(job["n_folds"]), Book(float(job["metric_time_limit_s"])))
    except Exception as error:  # noqa: BLE001 - whatever a kit's classes raise
        channel.send_json("fault.json", {"reason": words_of(error), "traceback": whole_traceback(error)})
        return
    channel.send_json("scores.json", scores)


def _scored(ready: Ready, n_folds: int, book: Book) -> dict[str, Any]:
    kept: dict[str, list[Any]] = {"valid": [], "test": []}
    folds = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(n_folds):
            fold_scores, predictions = _fold(ready, number, book)
            folds.append(fold_scores)
            for part, of_folds in kept.items():
                of_folds.append(predictions.get(part))
        bagged = {"valid": _bagged(ready, ready.y_train, kept["valid"], [valid for _, valid in ready.folds[:n_folds]], book)}
        if ready.has_test_set:
            bagged["test"] = _bagged(ready, ready.y_test, kept["test"], None, book)
    names = [str(metric.name) for metric in ready.problem.score_types]
    return {
        "folds": [
            {"metric": name, "fold": number, **{part: scores.get(part, {}).get(name) for part in ("train", "valid", "test")}}
            for number, scores in enumerate(folds)
            for name in names
        ],
        "bagged": [
            {"metric": name, "valid": bagged["valid"][name], "test": bagged.get("test", {}).get(name, [])} for name in names
        ],
        "problems": book.problems,
    }


def _fold(ready: Ready, number: int, book: Book) -> tuple[dict[str, dict[str, float | None]], dict[str, Any]]:
    """The scores of one fold by part and metric, and its Predictions by part."""
    make = ready.problem.Predictions
    train_is, valid_is = ready.folds[number]
    on_train = _predictions(number, "train")
    predictions = {"train": make(y_pred=on_train, fold_is=train_is), "valid": make(y_pred=on_train, fold_is=valid_is)}
    truths = {"train": make(y_true=ready.y_train, fold_is=train_is), "valid": make(y_true=ready.y_train, fold_is=valid_is)}
    if ready.has_test_set:
        predictions["test"] = make(y_pred=_predictions(number, "test"))
        truths["test"] = make(y_true=ready.y_test)
    scores = {
        part: {
            str(metric.name): book.score(metric, truths[part], predictions[part], f"fold {number}, {part}")
            for metric in ready.problem.score_types
        }
        for part in tuple(predictions)
    }
    return scores, predictions


def _predictions(number: int, part: str) -> np.ndarray:
    return read_predictions(_PREDICTIONS / str(number), part)


def read_predictions(folder: Path, part: str) -> np.ndarray:
    """What a fold predicted for `train` or `test`, from the arrays in its folder, mapped copy-on-write: a kit may edit them."""
    arrays = {}
    for name in ("values", "offsets", "is_none"):
        path = folder / f"{part}.{name}.npy"
        if path.exists():
            arrays[name] = np.load(path, mmap_mode="c", allow_pickle=False)
    return decoded(arrays)


def _bagged(ready: Ready, y: Any, predictions: list[Any], rows: list[Any] | None, book: Book) -> dict[str, list[float | None]]:
    """For each metric, the scores of the first 1, 2, ... folds combined. `rows[k]` are the rows that fold k predicts; None: all."""
    metrics = list(ready.problem.score_types)
    bagged: dict[str, list[float | None]] = {str(metric.name): [] for metric in metrics}
    bag = Bag(ready.problem.Predictions, y)
    for number, prediction in enumerate(predictions):
        bag.add(prediction, None if rows is None else rows[number])
        what = f"{number + 1} bagged folds, {'test' if rows is None else 'valid'}"
        for name, score in bag.scores(metrics, book, what).items():
            bagged[name].append(score)
    return bagged
