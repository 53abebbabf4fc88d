"""What one training leaves in a submission's `training_output/`: scores, predictions, times, its model, its end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

from palio.channel import Say
from palio.kit import Problem
from palio.saved_predictions import load_model, save_model, save_submission, save_y_pred
from palio.scoring import Scores
from palio.submission_errors import SubmissionError
from palio.training_output import TIME, number_text, write_table
from palio.trial_choices import Choices


@dataclass
class Record:
    """The record of one training; a context in which a SubmissionError is written down. Writes nothing that was not chosen."""

    problem: Problem
    #: Made if anything is to be written.
    folder: Path
    choices: Choices
    #: Whether this is the training on all rows.
    retrains: bool = False
    #: What is being done: `training`, `validating`, `testing`.
    stage: str = "training"

    def __enter__(self) -> Self:
        if self.choices.writes:
            self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, SubmissionError):
            self._write_text("state.txt", f"{self.stage}_error")
            self._write_text("error.txt", error.trace or f"{error.outcome}: {error}\n")

    def earlier_model(self, say: Say) -> Any:
        """The model to train further; None where there is none, or that is not wanted. Raises KitError if it cannot be read."""
        if not self.choices.partial_train or self.retrains:
            return None
        model = load_model(self.folder / self.model_name)
        if model is None:
            say("note", words=f"There is no {self.folder / self.model_name} to train further: trained from the beginning.")
        return model

    @property
    def model_name(self) -> str:
        """The file of the model."""
        return "retrained_model.pkl" if self.retrains else "trained_model.pkl"

    def write_model(self, model: Any, say: Say) -> None:
        """Pickle the model if that is wanted, or say why it cannot be."""
        if not self.choices.pickle:
            return
        problem = save_model(model, self.folder / self.model_name)
        if problem is not None:
            say("note", words=f"The model cannot be pickled, {self.folder / self.model_name} is not there: {problem}")

    def write(self, scores: Scores, times: dict[str, float], predictions: dict[str, Any]) -> None:
        """Write scores, seconds and predictions; the latter by their suffix, None for those that there are not."""
        if not self.choices.save_output:
            return
        there = {suffix: y_pred for suffix, y_pred in predictions.items() if y_pred is not None}
        self._write_scores(scores, times)
        if self.retrains:
            for suffix, y_pred in there.items():
                save_submission(self.problem, y_pred, self.folder, f"retrain_{suffix}")
            self._write_text("state.txt", "tested")
            return
        for suffix, y_pred in there.items():
            save_y_pred(self.problem, y_pred, self.folder, suffix)
        for step, seconds in times.items():
            self._write_text(f"{step}_time", repr(seconds))
        self._write_text("state.txt", "scored")

    def _write_scores(self, scores: Scores, times: dict[str, float]) -> None:
        steps = [step for step in ("train", "valid", "test") if all(step in by_step for by_step in scores.values())]
        lines = [
            [step, *(number_text(by_step[step]) for by_step in scores.values()), number_text(times.get(step))] for step in steps
        ]
        name = "retrained_scores.csv" if self.retrains else "scores.csv"
        write_table(self.folder / name, ["step", *scores, TIME], lines)

    def _write_text(self, name: str, text: str) -> None:
        if self.choices.save_output:
            (self.folder / name).write_text(text, encoding="utf-8")
