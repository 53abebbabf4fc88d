"""`palio blend`: an ensemble of the submissions on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from palio.blend_choices import BlendChoices
from palio.cli.session import json_option
from palio.contract_errors import KitError
from palio.kit_folder import find_kit, is_kit, submissions_of
from palio.kit_process import events, started
from palio.progress import progress_bar
from palio.score_table import number, scores_grid
from palio.terminal import plain, print_json, results, say
from palio.training_output import BAGGED, TrainingOutput
from palio.trial_choices import check_label


@click.command()
@click.argument("where", nargs=-1, metavar="[KIT] [SUBMISSIONS]...")
@click.option("--kit", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The kit's folder. [default: .]")
@click.option("--metric", help="The metric that picks. [default: the official one]")
@click.option(
    "--min-improvement",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="X",
    help="Stop when no further pick improves the score by more than this, in the metric's unit.",
)
@click.option(
    "--max-members", type=click.IntRange(1), default=80, show_default=True, metavar="N", help="Stop at so many picks of a fold."
)
@click.option("--data-label", metavar="LABEL", help="Of the trials with this data label.")
@click.option("--quick", is_flag=True, help="Of trials with --quick.")
@click.option("--save-output", is_flag=True, help="Keep scores and contributivities in submissions/training_output/.")
@json_option
def blend(
    where: tuple[str, ...],
    kit: Path | None,
    *,
    quick: bool,
    as_json: bool,
    data_label: str | None,
    **chosen: Any,
) -> None:
    """Pick the ensemble of submissions that scores best, and say what each contributes.

    From what `palio test --save-output` has kept of SUBMISSIONS, or of all. Each fold begins with the best one on its validation
    rows, and adds, again and again, the one that improves the mean most; one may be picked often. Contributivity is the share of
    picks, averaged over the folds.

    \b
    Examples:
      palio test iris ALL --save-output && palio blend iris
      palio blend iris my_forest my_boosting --min-improvement 0.001
      palio blend --metric nll --max-members 10 --save-output
    """
    names = list(where)
    if kit is None and names and is_kit(Path(names[0])):
        kit = Path(names.pop(0))
    folder = find_kit(kit)
    if data_label is not None:
        check_label(data_label)
    choices = BlendChoices(submissions=_submissions(folder, names, data_label), data_label=data_label, **chosen)
    said = _blended(folder, choices, {"RAMP_TEST_MODE": "1"} if quick else {})
    if as_json:
        print_json({"kit": str(folder), "submissions": choices.submissions, **said})
    else:
        _print(said)
    if choices.save_output:
        say(f"Kept in {TrainingOutput(folder / 'submissions', data_label).folder}")


def _submissions(kit: Path, names: Sequence[str], data_label: str | None) -> list[str]:
    """Those named, else all that have kept their predictions."""
    there = submissions_of(kit)
    kept = [name for name in there if (TrainingOutput(kit / "submissions" / name, data_label).folder / BAGGED).is_file()]
    for name in names:
        if name not in there:
            raise KitError(f"There is no submission {name!r}: submissions/ holds {', '.join(there) or 'nothing'}.")
        if name not in kept:
            raise KitError(f"{name} has kept no predictions. Have it tried: palio test {kit} {name} --save-output")
    if not kept:
        raise KitError(f"No submission has kept predictions. Have them tried: palio test {kit} ALL --save-output")
    # Each once, whoever is named twice.
    return list(dict.fromkeys(names)) or kept


def _blended(kit: Path, choices: BlendChoices, variables: dict[str, str]) -> dict[str, Any]:
    """What the inner side says, with its progress; raises KitError if it fails."""
    said: dict[str, Any] = {"folds": []}
    blending = started(kit, "blending", kit, choices.to_json(), variables={**os.environ, **variables})
    with blending as process, progress_bar("Blending", "folds") as moved:
        for event in events(process, last={"done", "failed"}):
            kind = event.pop("event")
            if kind == "failed":
                raise KitError(event["reason"], event["traceback"])
            if kind == "fold":
                said["folds"].append(event)
                moved(completed=len(said["folds"]), total=said["n_folds"])
            else:
                said.update(event)
    if "contributivity" not in said:
        raise KitError("The process that blended was ended before it was done, by the kit's own code or for lack of memory.")
    return said


def _print(said: dict[str, Any]) -> None:
    results().print(plain(said["title"], "bold"))
    results().print()
    results().print(_members(said))
    for title, kind in (("Combined", "combined"), ("Best of each fold", "foldwise_best")):
        results().print()
        results().print(scores_grid(title, said["metrics"], said[kind]).fitting(results()))


def _members(said: dict[str, Any]) -> Table:
    """Who contributes how much, and how often each fold picked it."""
    precision = next(metric["precision"] for metric in said["metrics"] if metric["name"] == said["metric"])
    title = plain(f"Picked by {said['metric']}")
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("submission", no_wrap=True)
    for heading in ("contributivity", *(f"fold {fold['fold'] + 1}" for fold in said["folds"])):
        table.add_column(heading, justify="right")
    shares = said["contributivity"]
    for name in sorted(shares, key=lambda name: -shares[name]):
        picked = [f"{fold['picks'].count(name)} of {len(fold['picks'])}" for fold in said["folds"]]
        table.add_row(*(plain(cell) for cell in (name, f"{100 * shares[name]:.0f} %", *picked)))
    ends = [number(fold["scores"][-1], precision) for fold in said["folds"]]
    table.add_row(*(plain(cell, "blue") for cell in (f"{said['metric']} (valid)", "", *ends)))
    return table
