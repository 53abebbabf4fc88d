"""The inner side of `palio test`: trains and scores a submission here, in the kit's environment.

`palio.trial_main` runs it, in a process of its own. Needs only what kits need: neither click nor rich nor httpx. Guards against
nothing: the submission is the user's own code.

A fold gives the same numbers whichever process trains it, and after whichever others: it begins with its own copy of the data, and
with the platform's seeds.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Callable

import numpy as np

from palio import scoring
from palio.channel import Say
from palio.kit import Indices, KitError, Problem, kit_fault
from palio.kit_description import description
from palio.saved_predictions import pickler, save_submission
from palio.submission_errors import SubmissionError, explained
from palio.training_output import TrainingOutput
from palio.trial_choices import Choices, Job
from palio.trial_data import TrialData, own_copy, seed_generators
from palio.trial_records import Record


@dataclass
class Trial:
    """One submission on all folds, or on those that this process is told to train."""

    problem: Problem
    submission: Path
    say: Say
    choices: Choices = field(default_factory=Choices)
    #: Where the predictions of folds wait for the bag, which another process may make.
    kept: Path | None = None

    def run(self) -> None:
        """Train and score every fold, then the bag; raises KitError or SubmissionError."""
        with tempfile.TemporaryDirectory(prefix="palio-") as folder:
            self.kept = self.kept or Path(folder)
            self.start(first=True)
            for _ in self.work(self.choices.jobs(len(self.data.folds))):
                pass

    @cached_property
    def data(self) -> TrialData:
        """The kit's data; the submission gets copies of them."""
        return TrialData.of(self.problem)

    @cached_property
    def output(self) -> TrainingOutput:
        """Where models are read from, and whatever is kept is written to."""
        return TrainingOutput(self.submission, self.choices.data_label)

    def start(self, *, first: bool) -> None:
        """Read the data and say what the kit is; the first process of a trial also clears what an earlier one wrote."""
        if self.choices.partial_train and not self.problem.takes_trained_model:
            raise KitError("The kit's workflow cannot train a model further: its train_submission takes no prev_trained_model.")
        self.agree_on_folds(first=first)
        said = description(self.problem, len(self.data.folds))
        if first and self.choices.save_output:
            self.output.begin(said["n_folds"], said["metrics"])
        self.say("start", **said)

    def agree_on_folds(self, *, first: bool) -> None:
        """Take the folds that the first process has made: those of a kit may differ from call to call."""
        if self.kept is None:
            return
        file = self.kept / "folds"
        if first:
            file.write_bytes(pickle.dumps(self.data.folds))
        else:
            folds = pickle.loads(file.read_bytes())  # noqa: S301 - written by this trial's first process
            self.data = replace(self.data, folds=folds)

    def work(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Do these jobs one after another; yields each before it is begun. Raises KitError or SubmissionError."""
        for job in jobs:
            yield job
            if "fold" in job:
                self.fold(job["fold"])
            elif "retrain" in job:
                self.retrain()
            else:
                self.bag()

    def fold(self, number: int) -> None:
        """Train and score a fold, keep its predictions for the bag, and say its scores."""
        train_is, valid_is = fold = self.data.folds[number]
        with Record(self.problem, self.output.fold(number), self.choices) as record:
            model, times, (X, X_test) = self.trained(train_is, record)
            y_pred, times["valid"] = self.predicted(model, X, len(self.data.train[1]), fold)
            record.stage = "testing"
            y_pred_test, times["test"] = self.tested(model, X_test)
            y = self.data.train[1]
            parts = {"train": self.part(y, y_pred, train_is), "valid": self.part(y, y_pred, valid_is)}
            if y_pred_test is None:
                del times["test"]
            else:
                parts["test"] = self.part(self.data.test[1], y_pred_test, None)
            scores = self.scored(parts)
            record.write(scores, times, {"train": y_pred, "test": y_pred_test})
        if self.kept is not None:
            (self.kept / f"fold-{number}").write_bytes(pickler().dumps((y_pred, y_pred_test)))
        self.say("fold", fold=number, scores=scores, times=times)

    def retrain(self) -> None:
        """Train on all training rows, and say the scores on them and on the test set."""
        with Record(self.problem, self.output.folder, self.choices, retrains=True) as record:
            model, times, (X, X_test) = self.trained(None, record)
            y_pred, _ = self.predicted(model, X, len(self.data.train[1]), None)
            y_pred_test, seconds = self.tested(model, X_test)
            parts = {"train": self.part(self.data.train[1], y_pred, None)}
            if y_pred_test is not None:
                parts["test"], times["test"] = self.part(self.data.test[1], y_pred_test, None), seconds
            scores = self.scored(parts)
            record.write(scores, times, {"train": y_pred, "test": y_pred_test})
        self.say("retrained", scores=scores, times=times)

    def bag(self) -> None:
        """Score the bag over all folds, from what they kept, and say so."""
        bags = self.bags()
        by_metric = {
            metric.name: {step: [each[metric.name] for each in scores] for step, (scores, _) in bags.items()}
            for metric in self.problem.score_types
        }
        if self.choices.save_output:
            self.output.write_bagged(by_metric)
            for step, (_, bag) in bags.items():
                save_submission(self.problem, bag.y_pred, self.output.folder, f"_bagged_{step}")
        self.say("done", bagged={name: {step: each[-1] for step, each in by.items()} for name, by in by_metric.items()})

    def bags(self) -> dict[str, scoring.Bagged]:
        """The bags of validation and test predictions, with their scores."""
        if self.kept is None:
            raise ValueError("Folds have kept nothing: there is no folder for it.")
        files = [self.kept / f"fold-{number}" for number in range(len(self.data.folds))]
        kept = [pickle.loads(file.read_bytes()) for file in files]  # noqa: S301 - written by this trial's own processes
        rows = [valid_is for _, valid_is in self.data.folds]
        make, prefixes = self.problem.Predictions, self.choices.save_output
        with kit_fault("Bagging by problem.py failed"):
            predictions = [make(y_pred=each[0], fold_is=valid_is) for each, valid_is in zip(kept, rows)]
            bags = {"valid": scoring.bagged(self.problem, self.data.train[1], predictions, rows, prefixes=prefixes)}
            if self.data.has_test_set:
                predictions = [make(y_pred=each[1]) for each in kept]
                bags["test"] = scoring.bagged(self.problem, self.data.test[1], predictions, None, prefixes=prefixes)
        return bags

    def trained(self, train_is: Indices | None, record: Record) -> tuple[Any, dict[str, float], tuple[Any, Any]]:
        """A model, the seconds that it took, and the submission's own X of the training and the test set."""
        seed_generators()
        X, y = own_copy(self.data.train)
        X_test = own_copy(self.data.test[0]) if self.data.has_test_set else None
        earlier = record.earlier_model(self.say)
        more = () if earlier is None else (earlier,)
        model, seconds = self.timed(
            "train_error", self.problem.workflow.train_submission, str(self.submission), X, y, train_is, *more
        )
        record.write_model(model, self.say)
        record.stage = "validating"
        return model, {"train": seconds}, (X, X_test)

    def tested(self, model: Any, X_test: Any) -> tuple[Any, float]:
        """Predictions for the test set, None where there is none, and the seconds they took."""
        return self.predicted(model, X_test, len(self.data.test[1]), None) if self.data.has_test_set else (None, 0.0)

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

    def part(self, y: Any, y_pred: Any, rows: Indices | None) -> tuple[Any, Any]:
        """Truth and predictions of these rows; the latter of the right shape and without NaN."""
        truth = self.problem.Predictions(y_true=y, fold_is=rows)
        try:
            predictions = self.problem.Predictions(y_pred=y_pred, fold_is=rows)
            values = np.asarray(predictions.y_pred)
        except (TypeError, ValueError, IndexError) as error:
            raise SubmissionError("bad_predictions", str(error)) from error
        if np.issubdtype(values.dtype, np.floating) and np.isnan(values).any():
            raise SubmissionError("bad_predictions", f"{int(np.isnan(values).sum())} of the predicted values are NaN.")
        return truth, predictions

    def scored(self, parts: dict[str, tuple[Any, Any]]) -> scoring.Scores:
        """The scores of these parts; raises KitError if a metric fails."""
        with kit_fault("A metric of problem.py failed"):
            return scoring.score_parts(self.problem.score_types, parts)

    def timed(self, outcome: str, call: Callable[..., Any], *args: Any) -> tuple[Any, float]:
        """What a call into the submission returns, and the seconds it took; raises SubmissionError for whatever it raises."""
        start = time.perf_counter()
        try:
            result = call(*args)
        except (Exception, SystemExit) as error:
            raise explained(error, outcome, self.submission) from error
        return result, time.perf_counter() - start
