"""Tables of scores in a terminal: the same for a trial here and for a submission on the server.

As `ramp-test` shows them: one table a fold with a line each for train, valid and test; their mean and standard deviation;
the bag over all folds. Scores are rounded to the precision of their metric.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from palio.client.answers import Fold, Metric, PartScores, Submission
from palio.terminal import plain

PARTS = ("train", "valid", "test")
STYLES = {"train": "green", "valid": "blue", "test": "red"}
#: Decimal places of seconds.
TIME_PRECISION = 3


def print_scores(console: Console, submission: Submission) -> None:
    """All tables of a scored submission."""
    scores = submission.get("scores")
    if scores is None:
        return
    metrics = submission["metrics"]
    tables = [fold_table(metrics, fold) for fold in scores["folds"]]
    for table in (*tables, mean_table(metrics, scores["folds"]), bagged_table(metrics, scores["bagged"])):
        console.print()
        console.print(table)


def fold_table(metrics: Sequence[Metric], fold: Fold) -> Table:
    """The scores of a fold."""
    times = fold.get("times")
    table = _table(f"Fold {fold['fold'] + 1}", metrics, time=times is not None)
    for part in _present([fold]):
        cells = [number(fold["scores"][metric["name"]].get(part), metric["precision"]) for metric in metrics]
        if times is not None:
            cells.append(number(times.get(part), TIME_PRECISION))
        _add(table, part, cells)
    return table


def mean_table(metrics: Sequence[Metric], folds: Sequence[Fold]) -> Table:
    """Mean and (population) standard deviation over the folds."""
    timed = all(fold.get("times") is not None for fold in folds)
    table = _table(f"Mean of {len(folds)} folds", metrics, time=timed)
    for part in _present(folds):
        cells = [spread([fold["scores"][metric["name"]].get(part) for fold in folds], metric["precision"]) for metric in metrics]
        if timed:
            cells.append(spread([fold["times"].get(part) for fold in folds], TIME_PRECISION))
        _add(table, part, cells)
    return table


def bagged_table(metrics: Sequence[Metric], bagged: dict[str, PartScores]) -> Table:
    """The scores of the predictions bagged over all folds."""
    table = _table("Bagged", metrics, time=False)
    for part in PARTS:
        if any(bagged[metric["name"]].get(part) is not None for metric in metrics):
            _add(table, part, [number(bagged[metric["name"]].get(part), metric["precision"]) for metric in metrics])
    return table


def number(value: float | None, precision: int) -> str:
    """A score with so many decimal places; a dash for none."""
    if value is None or math.isnan(value):
        return "-"
    # Adding zero turns the -0.0 that rounding may leave into 0.0.
    return f"{round(value, precision) + 0.0:.{precision}f}"


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


def _present(folds: Sequence[Fold]) -> list[str]:
    """The parts that any fold has a score of: test scores may be hidden."""
    return [part for part in PARTS if any(by_part.get(part) is not None for fold in folds for by_part in fold["scores"].values())]


def _table(title: str, metrics: Sequence[Metric], *, time: bool) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("score")
    for index, metric in enumerate(metrics):
        table.add_column(plain(metric["name"]), justify="right", style="bold" if index == 0 else None, no_wrap=True)
    if time:
        table.add_column("time (s)", justify="right", no_wrap=True)
    return table


def _add(table: Table, part: str, cells: Sequence[str]) -> None:
    table.add_row(part, *cells, style=STYLES[part])
