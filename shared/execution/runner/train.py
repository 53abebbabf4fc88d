"""Role `train`: one fold of one submission, trained on labels it may see, predicting everything.

Nothing here defends against the submission, which shares this process and may change all of it: what it can reach is what
the sandbox mounts, and what it can say is checked outside.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from . import stored
from .channel import Channel
from .faults import cut, is_raised_by_import, name_of, own_traceback, words_of
from .kit import load_problem
from .predictions import BadPredictionsError, encoded

_SUBMISSION = "/job/submission"
_FOLD = "/job/fold"
_TRAINED = "trained"
_X_TRAIN, _X_TEST = "/data/x_train", "/data/x_test"


class Ready:
    """What is loaded before a submission is known."""

    def __init__(self, problem: Any, x_train: Any, x_test: Any, *, has_test_set: bool) -> None:
        self.problem = problem
        self.x_train = x_train
        self.x_test = x_test
        self.has_test_set = has_test_set

    @classmethod
    def load(cls) -> Ready:
        """The kit and its X, from their mounts."""
        problem = load_problem()
        has_test_set = Path(_X_TEST).exists()
        return cls(problem, stored.load(_X_TRAIN), stored.load(_X_TEST) if has_test_set else None, has_test_set=has_test_set)


class _FailedError(Exception):
    """A stage ended in an error of the submission."""

    def __init__(self, stage: str, error: BaseException) -> None:
        super().__init__(stage)
        self.stage = stage
        self.error = error


def run(ready: Ready, job: dict[str, Any], channel: Channel) -> None:
    """Train and predict, and send `status.json` and the predictions."""
    status: dict[str, Any] = {"stage": "done", "reason": "", "traceback": None, "times_s": {}}
    arrays: dict[str, np.ndarray] = {}
    try:
        arrays = _fold(ready, status["times_s"], channel, ragged=bool(job["ragged"]))
    except _FailedError as failure:
        status.update(_told(failure))
    except BadPredictionsError as error:
        status["stage"], status["reason"] = "bad_predictions", cut(str(error), 500)
    for name, array in arrays.items():
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        channel.send(f"{name}.npy", content.getvalue())
    channel.send_json("status.json", status)


def _told(failure: _FailedError) -> dict[str, Any]:
    """What is said of a failure, whatever an exception of the submission's own does to those who ask it."""
    error = failure.error
    return {
        "stage": _asked(lambda: _stage(failure), failure.stage),
        "reason": _asked(lambda: words_of(error), name_of(error)),
        "traceback": _asked(lambda: own_traceback(error, _SUBMISSION), None),
    }


def _asked(question: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return question()
    except BaseException:  # noqa: BLE001 - its class may answer with SystemExit
        return otherwise


def _stage(failure: _FailedError) -> str:
    if isinstance(failure.error, MemoryError):
        return "memory"
    if isinstance(failure.error, SystemExit):
        return "exit"
    if failure.stage == "train" and is_raised_by_import(failure.error, _SUBMISSION):
        return "import"
    return failure.stage


def _fold(ready: Ready, times_s: dict[str, float], channel: Channel, *, ragged: bool) -> dict[str, np.ndarray]:
    workflow = ready.problem.workflow
    fold = stored.load(_FOLD)
    y_train, train_is = fold["y"], fold["train_is"]
    whole_fold = (train_is, fold["valid_is"])
    takes_fold = list(signature(workflow.test_submission).parameters)[2:] == ["fold"]
    model = _timed("train", times_s, lambda: workflow.train_submission(_SUBMISSION, ready.x_train, y_train, train_is))

    # What is used from here on is measured as prediction: outside, it shows that results begin to come.
    channel.send(_TRAINED, b"")

    def predict(x: Any, of_fold: Any) -> Any:
        return workflow.test_submission(model, x, of_fold) if takes_fold else workflow.test_submission(model, x)

    predicted = {"train": _timed("valid", times_s, lambda: predict(ready.x_train, whole_fold))}
    if ready.has_test_set:
        predicted["test"] = _timed("test", times_s, lambda: predict(ready.x_test, None))
    return _checked(ready.problem, predicted, ragged=ragged)


def _checked(problem: Any, predicted: dict[str, Any], *, ragged: bool) -> dict[str, np.ndarray]:
    """The predictions as arrays, once the kit's own class takes them.

    They may be objects of the submission's own, whose code runs while they become arrays: what that raises is its failure.
    """
    arrays = {}
    for name, predictions in predicted.items():
        try:
            parts = encoded(predictions, ragged=ragged)
        except BadPredictionsError:
            raise
        except BaseException as error:  # noqa: BLE001 - as in `_timed`
            raise _FailedError("predict", error) from None
        arrays.update({f"{name}.{part}": array for part, array in parts.items()})
        try:
            problem.Predictions(y_pred=predictions)
        except MemoryError as error:
            raise _FailedError("predict", error) from None
        except Exception as error:  # noqa: BLE001 - whatever a kit's own class raises
            where = "the training data" if name == "train" else "the test set"
            raise BadPredictionsError(f"predictions for {where} are not what this problem takes: {words_of(error)}") from None
    return arrays


def _timed(part: str, times_s: dict[str, float], work: Callable[[], Any]) -> Any:
    stage = "train" if part == "train" else "predict"
    start = time.perf_counter()
    try:
        return work()
    except BaseException as error:  # noqa: BLE001 - a submission may raise SystemExit, or a class of its own
        raise _FailedError(stage, error) from None
    finally:
        times_s[part] = time.perf_counter() - start
