"""The inner side of `palio test`: trains and scores a submission here, in the kit's environment.

Runs in a process of its own, started by `palio.trial_process` with the environment's Python. Says what happens as lines of
JSON on what was its standard output; whatever the submission prints goes to standard error instead. Needs only what kits
need: neither click nor rich nor httpx. Guards against nothing: the submission is the user's own code.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import numpy as np

from palio import kit, scoring
from palio.kit import Indices, KitError, Problem

#: Takes one line for the outer side: the kind of event and its members.
Say = Callable[..., None]


class SubmissionError(Exception):
    """The submission failed: `outcome` as the platform would call it, and the traceback of its own code."""

    def __init__(self, outcome: str, reason: str, trace: str | None = None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.trace = trace


@dataclass
class Trial:
    """One submission on all folds."""

    problem: Problem
    submission: Path
    say: Say
    #: Validation and test predictions of the folds so far.
    valid: list[Any] = field(default_factory=list)
    test: list[Any] = field(default_factory=list)

    def run(self) -> None:
        """Train and score every fold, then the bag; raises KitError or SubmissionError."""
        problem = self.problem
        X, y = problem.train_data()
        X_test, y_test = problem.test_data()
        folds = problem.folds(X, y)
        self.say("start", **description(problem, len(folds)))
        for number, fold in enumerate(folds):
            scores, times = self.fold(fold, (X, y), (X_test, y_test))
            self.say("fold", fold=number, scores=scores, times=times)
        self.say("done", bagged=self.bagged(y, y_test, [valid for _, valid in folds]))

    def fold(self, fold: tuple[Indices, Indices], train: tuple[Any, Any], test: tuple[Any, Any]) -> tuple[scoring.Scores, Any]:
        """Scores and seconds of one fold, whose validation and test predictions are kept for the bag."""
        problem, (X, y), (X_test, y_test) = self.problem, train, test
        train_is, valid_is = fold
        model, train_time = self.timed("train_error", problem.workflow.train_submission, str(self.submission), X, y, train_is)
        y_pred, valid_time = self.predicted(model, X, len(y), fold)
        parts = {
            "train": (problem.Predictions(y_true=y, fold_is=train_is), self.checked(y_pred, train_is)),
            "valid": (problem.Predictions(y_true=y, fold_is=valid_is), self.checked(y_pred, valid_is)),
        }
        times = {"train": train_time, "valid": valid_time}
        if X_test is not None and y_test is not None:
            y_pred_test, times["test"] = self.predicted(model, X_test, len(y_test), None)
            parts["test"] = (problem.Predictions(y_true=y_test), self.checked(y_pred_test, None))
            self.test.append(parts["test"][1])
        self.valid.append(parts["valid"][1])
        return scoring.score_parts(problem.score_types, parts), times

    def bagged(self, y: Any, y_test: Any, valid: list[Indices]) -> scoring.Scores:
        """Scores of the bag over all folds."""
        make, metrics = self.problem.Predictions, self.problem.score_types
        scores = {"valid": scoring.score_bag(metrics, make(y_true=y), scoring.bag(make, len(y), self.valid, valid))}
        if self.test:
            bag = scoring.bag(make, len(y_test), self.test, None)
            scores["test"] = scoring.score_bag(metrics, make(y_true=y_test), bag)
        return {metric.name: {part: scores[part][metric.name] for part in scores} for metric in metrics}

    def predicted(self, model: Any, X: Any, n_rows: int, fold: Any) -> tuple[Any, float]:
        """What the model predicts for all rows of X, and the seconds it took."""
        more = (fold,) if self.problem.takes_fold else ()
        y_pred, seconds = self.timed("predict_error", self.problem.workflow.test_submission, model, X, *more)
        try:
            found = len(y_pred)
        except TypeError as error:
            kind = type(y_pred).__name__
            raise SubmissionError("bad_predictions", f"The predictions must be an array; they are a {kind}.") from error
        if found != n_rows:
            raise SubmissionError("bad_predictions", f"There must be {n_rows} predictions, one for each row; there are {found}.")
        return y_pred, seconds

    def checked(self, y_pred: Any, rows: Indices | None) -> Any:
        """Predictions of these rows, of the right shape and without NaN."""
        try:
            predictions = self.problem.Predictions(y_pred=y_pred, fold_is=rows)
            values = np.asarray(predictions.y_pred)
        except (TypeError, ValueError, IndexError) as error:
            raise SubmissionError("bad_predictions", str(error)) from error
        if np.issubdtype(values.dtype, np.floating) and np.isnan(values).any():
            raise SubmissionError("bad_predictions", f"{int(np.isnan(values).sum())} of the predicted values are NaN.")
        return predictions

    def timed(self, outcome: str, call: Callable[..., Any], *args: Any) -> tuple[Any, float]:
        """What a call into the submission returns, and the seconds it took; raises SubmissionError for whatever it raises."""
        start = time.perf_counter()
        try:
            result = call(*args)
        except (Exception, SystemExit) as error:
            raise explained(error, outcome, self.submission) from error
        return result, time.perf_counter() - start


def explained(error: BaseException, outcome: str, submission: Path) -> SubmissionError:
    """The error of a submission with the traceback cut to its own frames and what they called."""
    own = f"{submission}{os.sep}"
    trace = traceback.TracebackException.from_exception(error)
    frames = list(trace.stack)
    first = next((index for index, frame in enumerate(frames) if frame.filename.startswith(own)), None)
    trace.stack = traceback.StackSummary.from_list([] if first is None else frames[first:])
    at_import = isinstance(error, (ImportError, SyntaxError)) if first is None else frames[first].name == "<module>"
    return SubmissionError(_outcome(error, outcome, at_import=at_import), trace_line(error), "".join(trace.format()))


def _outcome(error: BaseException, outcome: str, *, at_import: bool) -> str:
    """What the platform calls the end of a submission by this error."""
    if isinstance(error, SystemExit):
        return "crashed"
    if isinstance(error, MemoryError):
        return "memory_limit"
    return "import_error" if at_import else outcome


def trace_line(error: BaseException) -> str:
    """An error in one line: its kind and its message."""
    return "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]


def description(problem: Problem, n_folds: int) -> dict[str, Any]:
    """What the outer side must know of a kit before the first fold."""
    return {
        "title": problem.title,
        "n_folds": n_folds,
        "elements": list(problem.element_files),
        "metrics": [
            {"name": metric.name, "precision": metric.precision, "is_lower_the_better": metric.is_lower_the_better}
            for metric in problem.score_types
        ],
    }


def own_channel() -> Say:
    """Take standard output for ourselves, and send what anyone else prints to standard error."""
    sys.stdout.flush()
    channel = os.dup(1)
    os.dup2(2, 1)

    def say(event: str, **members: Any) -> None:
        line = json.dumps({"event": event, **members}) + "\n"
        os.write(channel, line.encode())

    return say


def main(arguments: list[str]) -> int:
    """Run the trial of `[kit folder, submission folder]`; 0 when it ended with scores, else 1."""
    say = own_channel()
    kit_folder, submission = (Path(argument).resolve() for argument in arguments)
    try:
        Trial(kit.load(kit_folder), submission, say).run()
    except KitError as error:
        say("failed", outcome="kit_error", reason=str(error), traceback=error.detail)
        return 1
    except SubmissionError as error:
        say("failed", outcome=error.outcome, reason=str(error), traceback=error.trace)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
