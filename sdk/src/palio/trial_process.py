"""The outer side of `palio test`: has `palio.trial` run under the right Python, and gathers what it says.

The result has the shape of the API's submissions, so that one table shows both.
"""

from __future__ import annotations

import os
import signal
import tempfile
from dataclasses import dataclass, field
from typing import Any, Callable, TypedDict, cast

from palio.client.answers import Fold, Metric, PartScores, Scores, Submission
from palio.fold_processes import FoldProcesses
from palio.kit_folder import Target
from palio.kit_process import kit_command
from palio.trial_choices import Choices

#: What the platform fixes for every run: one core for a fold, and the order of sets. The user's own variables win.
FIXED = {
    "PYTHONHASHSEED": "0",
    **dict.fromkeys(
        (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS",
            "LOKY_MAX_CPU_COUNT",
            "PYTHON_CPU_COUNT",
        ),
        "1",
    ),
}
DEFAULT = Choices()


class Retrained(TypedDict):
    """Scores by metric, and seconds by part, of a training on all training rows."""

    scores: dict[str, PartScores]
    times: dict[str, float]


@dataclass
class TrialResult:
    """What is known of a trial so far."""

    target: Target
    title: str = ""
    n_folds: int = 0
    metrics: list[Metric] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    bagged: dict[str, PartScores] | None = None
    retrained: Retrained | None = None
    #: What else there is to say.
    notes: list[str] = field(default_factory=list)
    #: The fold that failed, if it was one, from 0.
    failed_fold: int | None = None
    outcome: str | None = None
    reason: str | None = None
    traceback: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it ended with scores."""
        return self.bagged is not None

    def as_submission(self) -> Submission:
        """The result in the shape of the API's submissions."""
        scores = Scores(bagged=self.bagged, folds=self.folds) if self.bagged is not None else None
        return Submission(
            name=self.target.submission.name,
            challenge=self.target.origin.challenge if self.target.origin else self.target.kit.name,
            state="scored" if self.succeeded else "failed",
            outcome="trained" if self.succeeded else self.outcome,
            reason=self.reason,
            traceback=self.traceback,
            folds_done=len(self.folds),
            n_folds=self.n_folds,
            metrics=self.metrics,
            scores=scores,
            train_time_s=self._seconds("train"),
            valid_time_s=self._seconds("valid"),
            test_time_s=self._seconds("test"),
        )

    def take(self, event: dict[str, Any]) -> None:
        """Note what the inner side said."""
        kind = event.pop("event")
        if kind == "start":
            self.title, self.n_folds, self.metrics = event["title"], event["n_folds"], event["metrics"]
        elif kind == "fold":
            self.folds.append(cast("Fold", event))
            # With several processes they come as they are done.
            self.folds.sort(key=lambda fold: fold["fold"])
        elif kind == "done":
            self.bagged = event["bagged"]
        elif kind == "retrained":
            self.retrained = cast("Retrained", event)
        elif kind == "note":
            self.notes.append(event["words"])
        elif kind == "failed":
            self.outcome, self.reason, self.traceback = event["outcome"], event["reason"], event["traceback"]
            self.failed_fold = event.get("fold")
        elif kind == "ended":
            self.outcome, self.reason = "crashed", _death(event["code"])
            self.failed_fold = event.get("fold")

    def _seconds(self, part: str) -> float | None:
        times = [fold["times"][part] for fold in self.folds if part in fold["times"]]
        return sum(times) if times else None


def run_trial(
    target: Target,
    choices: Choices = DEFAULT,
    *,
    at_once: int = 1,
    told: Callable[[TrialResult], None] = lambda _: None,
    head_start_s: float | None = None,
) -> TrialResult:
    """Train and score a submission in the kit's environment, up to `at_once` folds at the same time; `told` is called after each fold.

    The numbers do not depend on `at_once`. A failure of the submission is in the result; nothing is raised for it. An interruption
    ends all processes. For `head_start_s` see `FoldProcesses`.
    """
    result = TrialResult(target)
    variables = {**FIXED, **os.environ, **({"RAMP_TEST_MODE": "1"} if choices.quick else {})}
    with tempfile.TemporaryDirectory(prefix="palio-") as kept:
        command = kit_command(target.kit, "trial_main", target.kit, target.submission, kept, choices.to_json())
        processes = FoldProcesses(command, variables, at_once, choices, head_start_s=head_start_s)
        for event in processes.events():
            result.take(event)
            told(result)
    return result


def cores() -> int:
    """How many folds can be trained at the same time: the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _death(code: int) -> str:
    """Why a process that said nothing last ended."""
    if code >= 0:
        return f"The process ended with exit code {code} before all folds were trained."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " Perhaps the memory ran out." if name == "SIGKILL" else ""
    return f"The process was ended by {name} before all folds were trained.{hint}"
