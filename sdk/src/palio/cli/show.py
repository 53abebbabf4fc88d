"""`palio show`: a board of the submissions on this machine."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from palio.cli.session import json_option
from palio.client.answers import Metric
from palio.contract_errors import KitError
from palio.kit_folder import find_kit, submissions_of
from palio.kit_process import events, started
from palio.local_board import STEPS, Entry, LocalBoard
from palio.terminal import print_json, results, say
from palio.training_output import TrainingOutput
from palio.trial_choices import check_label


@click.command()
@click.argument("kit", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--metric", "names", multiple=True, help="Only this metric; may be repeated, the first ranks. [default: all]")
@click.option(
    "--step", "steps", multiple=True, type=click.Choice(STEPS), help="Only this part; may be repeated. [default: all there is]"
)
@click.option("--mean", is_flag=True, help="Mean and deviation over the folds, instead of the bag.")
@click.option("--precision", type=click.IntRange(0, 17), metavar="N", help="Decimal places. [default: each metric's own]")
@click.option("--data-label", metavar="LABEL", help="Of the trials with this data label.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with all digits instead of a table.")
@json_option
def show(
    kit: Path | None,
    *,
    names: tuple[str, ...],
    steps: tuple[str, ...],
    mean: bool,
    precision: int | None,
    data_label: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show the scores of all submissions that `palio test --save-output` has tried, the best first.

    Ranks by the official metric, on the validation rows, bagged or with --mean. Reads what `ramp-test --save-output` wrote, too.

    \b
    Examples:
      palio show iris
      palio show --metric nll --metric acc --step valid
      palio show iris --mean --precision 4
      palio show iris --csv > iris.csv
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json: choose one.")
    if steps and not mean and set(steps) == {"train"}:
        raise click.UsageError("Of the training rows there are scores of folds only: add --mean.")
    if data_label is not None:
        check_label(data_label)
    folder = find_kit(kit)
    outputs = {name: TrainingOutput(folder / "submissions" / name, data_label) for name in submissions_of(folder)}
    entries = _entries(outputs)
    if not entries:
        raise KitError(f"No submission has kept scores. Have them tried: palio test {folder} ALL --save-output")
    metrics = _chosen(_metrics(folder, [outputs[entry.submission] for entry in entries]), names)
    board = LocalBoard(entries, metrics, steps or STEPS, mean=mean, precision=precision)
    if as_json:
        columns = [metric["name"] for metric in metrics]
        rows = [entry.as_json(columns) for entry in board.ranked()]
        print_json({"kit": str(folder), "data_label": data_label, "metrics": metrics, "submissions": rows})
    elif as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([board.headings(), *board.lines()])
    else:
        results().print(board.table(f"{folder.name}, {'mean of the folds' if mean else 'bagged'}"))


def _entries(outputs: dict[str, TrainingOutput]) -> list[Entry]:
    """What there is; what is damaged is named and left out."""
    found = []
    for name, output in outputs.items():
        try:
            entry = Entry.of_output(name, output)
        except KitError as error:
            say(f"{name} is left out: {error}", "yellow")
            continue
        if entry is not None:
            found.append(entry)
    return found


def _metrics(kit: Path, outputs: Sequence[TrainingOutput]) -> list[Metric]:
    """The kit's metrics as they were when scores were kept last; those of today if `ramp-test` kept all of them."""
    for output in sorted(outputs, key=TrainingOutput.tried_at, reverse=True):
        metrics = output.metrics()
        if metrics is not None:
            return metrics
    with started(kit, "kit_description", kit) as process:
        for event in events(process, last={"kit", "failed"}):
            if event["event"] == "failed":
                raise KitError(event["reason"], event["traceback"])
            found: list[Metric] = event["metrics"]
            return found
    raise KitError(f"{kit / 'problem.py'} ended the process that was to read it.")


def _chosen(metrics: Sequence[Metric], names: Sequence[str]) -> list[Metric]:
    by_name = {metric["name"]: metric for metric in metrics}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise KitError(f"There is no metric {', '.join(unknown)}: the kit has {', '.join(by_name)}.")
    return [by_name[name] for name in names] if names else list(metrics)
