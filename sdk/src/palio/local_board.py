"""A board of the submissions on this machine: which is best, by the scores that trials gave them here.

Of trials that just ended, or of what `palio test --save-output` or `ramp-test --save-output` wrote.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from palio.client.answers import Metric
from palio.score_table import TIME_PRECISION, number, spread
from palio.terminal import plain
from palio.training_output import TIME, StepScores, TrainingOutput
from palio.trial_process import TrialResult

STEPS = ("train", "valid", "test")


@dataclass(frozen=True)
class Entry:
    """A submission's line: its scores by step and metric; those of its folds hold the time too."""

    submission: str
    bagged: StepScores
    folds: Sequence[StepScores]

    @classmethod
    def of_trial(cls, result: TrialResult) -> Entry:
        """What a trial gave."""
        folds = [_by_step(fold["scores"]) for fold in result.folds]
        for fold, scores in zip(result.folds, folds):
            for step, seconds in fold["times"].items():
                scores.setdefault(step, {})[TIME] = seconds
        return cls(result.target.submission.name, _by_step(result.bagged or {}), folds)

    @classmethod
    def of_output(cls, submission: str, output: TrainingOutput) -> Entry | None:
        """What was saved of a submission; None if that is not all of it. Raises KitError if it is damaged."""
        bagged = output.bagged()
        return None if bagged is None else cls(submission, bagged, output.fold_scores())

    def over_folds(self, step: str, column: str) -> list[float | None]:
        """A score or the time of each fold."""
        return [fold.get(step, {}).get(column) for fold in self.folds]

    def as_json(self, columns: Sequence[str]) -> dict[str, Any]:
        """All of it by metric, part and kind."""
        kinds = {"bagged": self._bagged, "mean": self._mean, "std": self._std}
        scores = {
            kind: {column: {step: of(step, column) for step in STEPS if of(step, column) is not None} for column in columns}
            for kind, of in kinds.items()
        }
        seconds = {f"{step}_time_s": _sum(self.over_folds(step, TIME)) for step in STEPS}
        return {"name": self.submission, "n_folds": len(self.folds), **scores, **seconds}

    def score(self, step: str, column: str, *, mean: bool) -> float | None:
        """Bagged, or the mean over the folds."""
        return self._mean(step, column) if mean else self._bagged(step, column)

    def _bagged(self, step: str, column: str) -> float | None:
        return self.bagged.get(step, {}).get(column)

    def _mean(self, step: str, column: str) -> float | None:
        known = self._known(step, column)
        return statistics.fmean(known) if known else None

    def _std(self, step: str, column: str) -> float | None:
        known = self._known(step, column)
        return statistics.pstdev(known) if known else None

    def _known(self, step: str, column: str) -> list[float]:
        values = self.over_folds(step, column)
        known = [value for value in values if value is not None and math.isfinite(value)]
        return known if len(known) == len(values) else []


@dataclass(frozen=True)
class LocalBoard:
    """What is shown: the metrics, the first of which ranks, the steps, and whether means over folds instead of bags."""

    entries: Sequence[Entry]
    metrics: Sequence[Metric]
    steps: Sequence[str]
    mean: bool = False
    #: Decimal places; None: each metric's own.
    precision: int | None = None

    def ranked(self) -> list[Entry]:
        """The best first by validation score (else by the first step shown); missing scores last, equal ones by name."""
        metric = self.metrics[0]
        step = "valid" if "valid" in self.steps else self.steps[0]

        def place(entry: Entry) -> tuple[bool, float, str]:
            score = entry.score(step, metric["name"], mean=self.mean)
            if score is None or math.isnan(score):
                return True, 0.0, entry.submission
            return False, score if metric["is_lower_the_better"] else -score, entry.submission

        return sorted(self.entries, key=place)

    def headings(self) -> list[str]:
        """Of the columns, the first of which is the submission's."""
        return ["submission", *(f"{metric['name']} {step}" for metric in self.metrics for step in self._steps_of_scores())]

    def table(self, title: str) -> Table:
        """A line for each submission."""
        table = Table(title=plain(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
        times = [f"{step} (s)" for step in self._steps_of_times()]
        name, *others = [*self.headings(), *times]
        table.add_column(plain(name), no_wrap=True)
        for heading in others:
            table.add_column(plain(heading), justify="right", overflow="fold")
        for entry in self.ranked():
            scores = [self._cell(entry, step, metric) for metric in self.metrics for step in self._steps_of_scores()]
            seconds = [number(_sum(entry.over_folds(step, TIME)), TIME_PRECISION) for step in self._steps_of_times()]
            table.add_row(*(plain(cell) for cell in (entry.submission, *scores, *seconds)))
        return table

    def lines(self) -> list[list[str]]:
        """The same for a CSV file, with all digits."""
        return [
            [
                entry.submission,
                *(
                    "" if value is None else repr(value)
                    for metric in self.metrics
                    for step in self._steps_of_scores()
                    for value in [entry.score(step, metric["name"], mean=self.mean)]
                ),
            ]
            for entry in self.ranked()
        ]

    def _cell(self, entry: Entry, step: str, metric: Metric) -> str:
        precision = metric["precision"] if self.precision is None else self.precision
        if self.mean:
            return spread(entry.over_folds(step, metric["name"]), precision)
        return number(entry.score(step, metric["name"], mean=False), precision)

    def _steps_of_scores(self) -> list[str]:
        names = [metric["name"] for metric in self.metrics]
        return [
            step
            for step in self.steps
            if any(entry.score(step, name, mean=self.mean) is not None for entry in self.entries for name in names)
        ]

    def _steps_of_times(self) -> list[str]:
        return [step for step in self.steps if any(_sum(entry.over_folds(step, TIME)) is not None for entry in self.entries)]


def _by_step(by_metric: dict[str, Any]) -> StepScores:
    found: StepScores = {}
    for name, by_part in by_metric.items():
        for step, score in by_part.items():
            found.setdefault(step, {})[name] = score
    return found


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
