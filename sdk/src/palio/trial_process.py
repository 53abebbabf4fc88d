"""The outer side of `palio test`: starts `palio.trial` under the right Python, and gathers what it says.

The result has the shape of the API's submissions, so that one table shows both.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, cast

from palio.client.answers import Fold, Metric, PartScores, Scores, Submission
from palio.kit_folder import Target


@dataclass
class TrialResult:
    """What is known of a trial so far."""

    target: Target
    title: str = ""
    n_folds: int = 0
    metrics: list[Metric] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    bagged: dict[str, PartScores] | None = None
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
        elif kind == "done":
            self.bagged = event["bagged"]
        elif kind == "failed":
            self.outcome, self.reason, self.traceback = event["outcome"], event["reason"], event["traceback"]

    def _seconds(self, part: str) -> float | None:
        times = [fold["times"][part] for fold in self.folds if part in fold["times"]]
        return sum(times) if times else None


def run_trial(target: Target, *, quick: bool = False, told: Callable[[TrialResult], None] = lambda _: None) -> TrialResult:
    """Train and score a submission in the kit's environment; `told` is called after each fold.

    `quick` sets RAMP_TEST_MODE=1, by which kits take less data. A failure of the submission is in the result; nothing is
    raised for it. An interruption ends the inner process too.
    """
    result = TrialResult(target)
    with started(target.kit, "trial", target.kit, target.submission, quick=quick) as process:
        for event in events(process, last={"done", "failed"}):
            result.take(event)
            told(result)
        code = process.wait()
    if not result.succeeded and result.outcome is None:
        result.outcome, result.reason = "crashed", _death(code)
    return result


def environment_python(kit: Path) -> str:
    """The Python of the kit's own environment, `.venv`, else the one that runs this."""
    own = python_in(kit / ".venv")
    return str(own) if own.exists() else sys.executable


def python_in(environment: Path) -> Path:
    """Where a virtual environment has its Python."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@contextmanager
def started(kit: Path, module: str, *arguments: Path, quick: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A module of palio that runs in the kit's environment, with these arguments; ended when this side is interrupted."""
    environment = {**os.environ, **({"RAMP_TEST_MODE": "1"} if quick else {})}
    bootstrap = Path(__file__).with_name("bootstrap.py")
    command = [environment_python(kit), str(bootstrap), module, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    try:
        yield process
    finally:
        # Reached with a running process only when this side was interrupted.
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def events(process: subprocess.Popen[bytes], last: set[str]) -> Iterator[dict[str, Any]]:
    """What the process says, up to one of these last words: a child of the submission may hold the pipe open for longer."""
    if process.stdout is None:
        return
    for line in process.stdout:
        event = json.loads(line)
        is_last = event["event"] in last
        yield event
        if is_last:
            return


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
