"""The inner side of `palio kit check`: what a kit lacks or does wrong, in words for its organiser.

Runs in the kit's environment, as `palio.trial` does, and needs no more than that. Runs the kit's own code, and nothing of a
submission: the starter is trained by `palio test`.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from palio import kit
from palio.channel import own_channel
from palio.kit import Indices, KitError, Problem
from palio.kit_folder import STARTER

#: The share of rows that no fold validates, up to which nothing is said.
_MOST_UNVALIDATED = 0.75


@dataclass(frozen=True)
class Finding:
    """`wrong`: the platform would refuse it, or its numbers would be. `advice`: participants will miss it."""

    level: Literal["wrong", "advice"]
    words: str


def findings(folder: Path) -> Iterator[Finding]:
    """What is wrong with a kit, and what it lacks; nothing if all is well. What can't be looked at for a fault before it is left out."""
    yield from _files(folder)
    try:
        problem = kit.load(folder)
        yield from _starter(folder, problem)
        X, y = problem.train_data()
        X_test, y_test = problem.test_data()
        yield from _data(problem, "training", X, y)
        if X_test is not None and y_test is not None:
            yield from _data(problem, "test", X_test, y_test)
        else:
            yield Finding("advice", "There is no test set (get_test_data returns None): the private board will have no scores.")
        yield from _folds(problem.folds(X, y), len(y))
        yield from _same_folds(problem.folds(X, y), problem.folds(X, y))
        yield from _metrics(problem, y)
    except KitError as error:
        yield Finding("wrong", str(error) + (f"\n{error.detail.rstrip()}" if error.detail else ""))


def _files(folder: Path) -> Iterator[Finding]:
    if not any((folder / name).is_file() for name in ("requirements.txt", "environment.yml")):
        yield Finding(
            "advice", "There is no requirements.txt: without one the environment of submissions holds palio and what it needs."
        )
    if not (folder / "data" / "public").is_dir() and not (folder / "prepare_data.py").is_file():
        yield Finding(
            "advice",
            "There is no data/public, nor a prepare_data.py that makes it: participants can test nothing on their machines.",
        )
    if not list(folder.glob("*.ipynb")) and not (folder / "README.md").is_file():
        yield Finding("advice", "There is neither a README.md nor a notebook: participants will ask what the data are.")


def _starter(folder: Path, problem: Problem) -> Iterator[Finding]:
    starter = folder / "submissions" / STARTER
    missing = [name for name in problem.element_files if not (starter / name).is_file()]
    if missing:
        yield Finding("wrong", f"submissions/{STARTER}, from which every team begins, has no {', '.join(missing)}.")
    wrong = [name for name in problem.element_files if Path(name).name != name]
    if wrong:
        yield Finding("wrong", f"Names of a submission's files must be names, without folders: {', '.join(wrong)}.")


def _data(problem: Problem, what: str, X: Any, y: Any) -> Iterator[Finding]:
    n_rows, n_labels = _length(X), _length(y)
    if n_labels == 0:
        yield Finding("wrong", f"The {what} data have no rows.")
    elif n_rows is not None and n_rows != n_labels and getattr(X, "attrs", {}).get("n_burn_in") is None:
        yield Finding("wrong", f"X of the {what} data has {n_rows} rows, and y has {n_labels}.")
    try:
        problem.Predictions(y_true=y)
    except Exception as error:  # noqa: BLE001 - whatever the kit's class raises
        yield Finding("wrong", f"Predictions(y_true=y) does not take the y of the {what} data: {error}")


def _length(rows: Any) -> int | None:
    shape = getattr(rows, "shape", None)
    if shape is not None:
        return int(shape[0])
    try:
        return len(rows)
    except TypeError:
        return None


def _folds(folds: list[tuple[Indices, Indices]], n_rows: int) -> Iterator[Finding]:
    validated = np.zeros(n_rows, dtype=bool)
    for number, (train, valid) in enumerate(folds):
        if len(train) == 0 or len(valid) == 0:
            yield Finding("wrong", f"Fold {number} of get_cv has {len(train)} rows to train on and {len(valid)} to validate.")
            continue
        everything = np.concatenate([train, valid])
        if everything.min() < 0 or everything.max() >= n_rows:
            yield Finding("wrong", f"Fold {number} of get_cv names row {_outside(everything, n_rows)}; there are {n_rows} rows.")
            continue
        both = np.intersect1d(train, valid)
        if both.size:
            yield Finding(
                "wrong", f"Fold {number} of get_cv validates {both.size} rows that it trains on, such as row {both[0]}."
            )
        validated[valid] = True
    share = 1 - validated.mean() if n_rows else 0
    if share > _MOST_UNVALIDATED:
        yield Finding("advice", f"{share:.0%} of the training rows are validated by no fold, and count for no score.")
    if len(folds) == 1:
        yield Finding("advice", "get_cv makes one fold: nobody will know how much scores depend on it.")


def _same_folds(folds: list[tuple[Indices, Indices]], again: list[tuple[Indices, Indices]]) -> Iterator[Finding]:
    if len(folds) != len(again) or any(not np.array_equal(one, other) for pair in zip(folds, again) for one, other in zip(*pair)):
        yield Finding(
            "advice",
            "get_cv makes other folds each time: give it a random_state, or nobody's scores here are those of the platform.",
        )


def _outside(rows: Indices, n_rows: int) -> int:
    return int(rows[(rows < 0) | (rows >= n_rows)][0])


def _metrics(problem: Problem, y: Any) -> Iterator[Finding]:
    """The truth itself, as predictions, must get the best score that there is."""
    try:
        truth = problem.Predictions(y_true=y)
        same = problem.Predictions(y_true=y)
    except Exception:  # noqa: BLE001 - told of already
        return
    for metric in problem.score_types:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                score = float(metric.score_function(truth, same))
        except Exception as error:  # noqa: BLE001 - whatever a metric raises
            # Detections: the truth has no confidences.
            yield Finding(
                "advice", f"The metric {metric.name} does not score the truth against itself: {type(error).__name__}: {error}"
            )
            continue
        best = metric.minimum if metric.is_lower_the_better else metric.maximum
        if math.isnan(score):
            yield Finding("wrong", f"The metric {metric.name} is NaN for perfect predictions.")
        elif not metric.minimum - 1e-9 <= score <= metric.maximum + 1e-9:
            yield Finding("wrong", f"The metric {metric.name} gives perfect predictions {score}, outside of its range.")
        elif math.isfinite(best) and not math.isclose(score, best, rel_tol=1e-6, abs_tol=1e-6):
            yield Finding(
                "advice",
                f"The metric {metric.name} gives perfect predictions {score:.6g}, and {best:g} is the good end of its range.",
            )


def main(arguments: list[str]) -> int:
    """Check `[kit folder]`; 1 if anything is wrong."""
    say = own_channel()
    wrong = False
    for finding in findings(Path(arguments[0]).resolve()):
        wrong = wrong or finding.level == "wrong"
        say("finding", level=finding.level, words=finding.words)
    say("done")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
