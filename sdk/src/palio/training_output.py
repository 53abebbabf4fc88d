"""`submissions/<name>/training_output/`: what a trial leaves behind, in the folders and files that `ramp-test --save-output` makes.

    fold_<k>/scores.csv                         train, valid and test, a column for each metric and the time
    fold_<k>/y_pred_train.npz, …                what the kit's `save_y_pred` writes, where it has one
    fold_<k>/state.txt, error.txt, train_time, valid_time, test_time, trained_model.pkl
    bagged_scores.csv                           of the bag over the first folds, for each number of them
    state.txt, error.txt, retrained_model.pkl    of the training on all rows
    metrics.json, retrained_scores.csv

The last line is ours alone. A data label is a folder between. Owns names and tables; predictions are `palio.saved_predictions`'.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from palio.contract_errors import KitError
from palio.kit_folder import OUTPUT

if TYPE_CHECKING:
    # Where kits run there is no httpx.
    from palio.client.answers import Metric

BAGGED = "bagged_scores.csv"
TIME = "time"
#: Step (train, valid, test) to column to score; None where there is no number.
StepScores = dict[str, dict[str, Optional[float]]]


class TrainingOutput:
    """The folder of a submission's output, or of the ensembles'."""

    def __init__(self, submission: Path, data_label: str | None = None) -> None:
        folder = submission / OUTPUT
        self.folder = folder if data_label is None else folder / data_label

    def begin(self, n_folds: int, metrics: Sequence[Metric]) -> None:
        """Remove the scores, predictions and errors of an earlier trial, and folds that there are no more; models of the others stay."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, folder in self._folds():
            if number >= n_folds:
                shutil.rmtree(folder)
                continue
            for file in folder.iterdir():
                if file.is_file() and file.suffix != ".pkl":
                    file.unlink()
        for name in (BAGGED, "retrained_scores.csv", "state.txt", "error.txt"):
            self._file(name).unlink(missing_ok=True)
        self._file("metrics.json").write_text(json.dumps({"n_folds": n_folds, "metrics": list(metrics)}, indent=2), "utf-8")

    def fold(self, number: int) -> Path:
        """The folder of a fold, whether or not it is there."""
        return self.folder / f"fold_{number}"

    def metrics(self) -> list[Metric] | None:
        """What is known of the metrics; None of what `ramp-test` wrote."""
        try:
            found: list[Metric] = json.loads(self._file("metrics.json").read_text("utf-8"))["metrics"]
            names = [metric["name"] for metric in found if {"precision", "is_lower_the_better"} <= metric.keys()]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KitError(f"{self._file('metrics.json')} is damaged ({error}). Test the submission again.") from error
        if not names or len(names) < len(found):
            raise KitError(f"{self._file('metrics.json')} is damaged. Test the submission again.")
        return found

    def tried_at(self) -> float:
        """When the trial began that it is of, in seconds since 1970; 0 for what `ramp-test` wrote."""
        try:
            return self._file("metrics.json").stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def write_bagged(self, scores: dict[str, dict[str, list[float]]], name: str = BAGGED) -> None:
        """Scores by metric, step and number of folds, the first for one fold."""
        names = list(scores)
        steps = [step for step in ("valid", "test") if all(step in by_step for by_step in scores.values())]
        lines = [
            [step, str(count), *(number_text(scores[name][step][count]) for name in names)]
            for step in steps
            for count in range(len(scores[names[0]][step]))
        ]
        write_table(self._file(name), ["step", "n_bag", *names], lines)

    def bagged(self, name: str = BAGGED) -> StepScores | None:
        """Scores of the bag over all folds; None if the submission was not tried to its end."""
        table = read_table(self._file(name))
        if table is None:
            return None
        found: StepScores = {}
        for line in table:
            # The last one of each step stays: that of all folds.
            found[line["step"]] = scores_of(line, without=("step", "n_bag"))
        return found

    def fold_scores(self) -> list[StepScores]:
        """Scores of the folds, in their order, those of no fold left out."""
        tables = [read_table(folder / "scores.csv") for _, folder in self._folds()]
        return [{line["step"]: scores_of(line, without=("step",)) for line in table} for table in tables if table is not None]

    def _folds(self) -> list[tuple[int, Path]]:
        return sorted(_folds_in(self.folder))

    def _file(self, name: str) -> Path:
        return self.folder / name


def _folds_in(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob("fold_*"):
        match = re.fullmatch(r"fold_(\d+)", path.name)
        if match and path.is_dir():
            yield int(match[1]), path


def write_table(path: Path, headings: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Write a CSV file, as pandas does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(headings)
        writer.writerows(lines)


def read_table(path: Path) -> list[dict[str, str]] | None:
    """The lines of a CSV file by its headings; None where there is no such file. Raises KitError if it cannot be one."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, csv.Error) as error:
        raise KitError(f"{path} is damaged ({error}). Test the submission again.") from error
    if any(not line.get("step") or None in line or None in line.values() for line in lines):
        raise KitError(f"{path} is damaged: it is no table of scores. Test the submission again.")
    return lines


def scores_of(line: dict[str, str], without: Sequence[str]) -> dict[str, float | None]:
    """The numbers of a line; raises KitError where there is something else."""
    try:
        return {name: float(cell) if cell else None for name, cell in line.items() if name not in without}
    except ValueError as error:
        raise KitError(f"A table of scores holds something that is no number: {error}. Test the submission again.") from error


def number_text(value: Any) -> str:
    """A number with all its digits; nothing for NaN, as pandas writes it."""
    return "" if value is None or value != value else repr(float(value))  # noqa: PLR0124 - NaN alone differs from itself
