"""Tables of scores in a terminal: the same for a trial here and for a submission on the server.

As `ramp-test` shows them: one table a fold with a line each for train, valid and test; their mean and standard deviation;
the bag over all folds. Scores are rounded to the precision of their metric. A table that is wider than the terminal is
turned, with a line for each metric; where even that is too wide, cells wrap: no score is ever cut.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from palio.client.answers import Fold, Metric, PartScores, Submission
from palio.terminal import plain

PARTS = ("train", "valid", "test")
STYLES = {"train": "green", "valid": "blue", "test": "red"}
#: Decimal places of seconds.
TIME_PRECISION = 3
TIME = "time (s)"
#: Wider than any table, for measuring one.
ENDLESS = 10_000


@dataclass(frozen=True)
class Grid:
    """What a table shows, before it is known which way round."""

    title: str
    #: Names of the metrics, the official one first, and perhaps the time.
    headings: Sequence[str]
    #: Part to a cell for each heading.
    lines: dict[str, list[str]]

    def upright(self) -> Table:
        """A line for each part."""
        table = _table(self.title)
        for index, heading in enumerate(self.headings):
            table.add_column(plain(heading), justify="right", style="bold" if index == 0 else None, overflow="fold")
        for part, cells in self.lines.items():
            table.add_row(part, *cells, style=STYLES[part])
        return table

    def turned(self) -> Table:
        """A line for each metric."""
        table = _table(self.title)
        for part in self.lines:
            table.add_column(part, justify="right", style=STYLES[part], overflow="fold")
        for index, heading in enumerate(self.headings):
            table.add_row(plain(heading), *(cells[index] for cells in self.lines.values()), style="bold" if index == 0 else None)
        return table

    def fitting(self, console: Console) -> Table:
        """The way round that the console is wide enough for."""
        upright = self.upright()
        needed = Measurement.get(console, console.options.update(width=ENDLESS), upright).maximum
        return upright if needed <= console.width else self.turned()


def print_scores(console: Console, submission: Submission) -> None:
    """All tables of a scored submission."""
    scores = submission.get("scores")
    if scores is None:
        return
    metrics = submission["metrics"]
    grids = [fold_grid(metrics, fold) for fold in scores["folds"]]
    for grid in (*grids, mean_grid(metrics, scores["folds"]), scores_grid("Bagged", metrics, scores["bagged"])):
        console.print()
        console.print(grid.fitting(console))


def print_retrained(
    console: Console, metrics: Sequence[Metric], retrained: dict[str, PartScores], bagged: dict[str, PartScores]
) -> None:
    """Scores of a training on all training rows, and beside them those of the bag on the same test set."""
    console.print()
    console.print(scores_grid("Retrained on all training rows", metrics, retrained).fitting(console))
    of_bag = {name: {"test": by_part.get("test")} for name, by_part in bagged.items()}
    if any(by_part["test"] is not None for by_part in of_bag.values()):
        console.print(scores_grid("Bag of the folds", metrics, of_bag).fitting(console))


def fold_grid(metrics: Sequence[Metric], fold: Fold) -> Grid:
    """The scores of a fold."""
    times = fold.get("times")
    lines = {
        part: [number(fold["scores"][metric["name"]].get(part), metric["precision"]) for metric in metrics]
        for part in _shown([fold])
    }
    if times is not None:
        for part, cells in lines.items():
            cells.append(number(times.get(part), TIME_PRECISION))
    return Grid(f"Fold {fold['fold'] + 1}", _headings(metrics, timed=times is not None), lines)


def mean_grid(metrics: Sequence[Metric], folds: Sequence[Fold]) -> Grid:
    """Mean and (population) standard deviation over the folds."""
    timed = all(fold.get("times") is not None for fold in folds)
    lines = {}
    for part in _shown(folds):
        lines[part] = [
            spread([fold["scores"][metric["name"]].get(part) for fold in folds], metric["precision"]) for metric in metrics
        ]
        if timed:
            lines[part].append(spread([fold["times"].get(part) for fold in folds], TIME_PRECISION))
    return Grid(f"Mean of {len(folds)} folds", _headings(metrics, timed=timed), lines)


def scores_grid(title: str, metrics: Sequence[Metric], scores: dict[str, PartScores]) -> Grid:
    """Scores by metric, without times."""
    shown = [part for part in PARTS if any(scores[metric["name"]].get(part) is not None for metric in metrics)]
    lines = {part: [number(scores[metric["name"]].get(part), metric["precision"]) for metric in metrics] for part in shown}
    return Grid(title, _headings(metrics, timed=False), lines)


def number(value: float | None, precision: int) -> str:
    """A score with so many decimal places; a dash for none."""
    if value is None or math.isnan(value):
        return "-"
    # Adding zero turns the -0.0 that rounding may leave into 0.0.
    return f"{round(value, precision) + 0.0:.{precision}f}"


def percent(value: int | None) -> str:
    """Whole percent, or a dash where there is none."""
    return "-" if value is None else f"{value} %"


def significant(value: float | None) -> str:
    """A number whose precision is not known, with six digits; a dash for none."""
    return "-" if value is None or math.isnan(value) else f"{value:.6g}"


def spread(values: Iterable[float | None], precision: int) -> str:
    """Mean ± standard deviation, the latter with a decimal place more; a dash if a value is missing."""
    known = list(values)
    numbers = [value for value in known if value is not None and math.isfinite(value)]
    if len(numbers) < len(known) or not numbers:
        return "-"
    return f"{number(statistics.fmean(numbers), precision)} ± {number(statistics.pstdev(numbers), precision + 1)}"


def seconds(value: float | None) -> str:
    """A duration in seconds; a dash for none."""
    return "-" if value is None else f"{value:.1f} s" if value >= 1 else f"{value:.3f} s"


def _shown(folds: Sequence[Fold]) -> list[str]:
    """The parts that any fold has a score of: test scores may be hidden."""
    return [part for part in PARTS if any(by_part.get(part) is not None for fold in folds for by_part in fold["scores"].values())]


def _headings(metrics: Sequence[Metric], *, timed: bool) -> list[str]:
    return [*(metric["name"] for metric in metrics), *([TIME] if timed else [])]


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("score", overflow="fold")
    return table
