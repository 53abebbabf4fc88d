"""`palio test`: trains and scores submissions here, on the public data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from palio.cli.session import json_option
from palio.kit_folder import ALL, Target, find_targets
from palio.local_board import STEPS, Entry, LocalBoard
from palio.notebook_process import run_notebook
from palio.progress import progress_bar
from palio.score_table import print_retrained, print_scores
from palio.terminal import plain, print_json, results, say
from palio.training_output import TrainingOutput
from palio.trial_choices import Choices
from palio.trial_process import TrialResult, cores, run_trial


@click.command()
@click.argument("where", nargs=-1, metavar="[KIT] [SUBMISSION|ALL]")
@click.option("--kit", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The kit's folder. [default: .]")
@click.option(
    "--submission",
    help="Its name in submissions/, or its folder; ALL for every one there. [default: yours, if you have only one]",
)
@click.option("--quick", is_flag=True, help="Let the kit take less data, by RAMP_TEST_MODE=1.")
@click.option("--data-label", metavar="LABEL", help="Which of the kit's data sets, where it has several.")
@click.option("--retrain", is_flag=True, help="Also train on all training rows, and score that beside the bag.")
@click.option(
    "--save-output", is_flag=True, help="Keep predictions and scores in the submission's training_output/, for show and blend."
)
@click.option("--pickle", is_flag=True, help="Keep the trained models there.")
@click.option("--partial-train", is_flag=True, help="Train the models further that --pickle has kept there.")
@click.option("--notebook", is_flag=True, help="Also run the kit's notebook, from top to bottom.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Train up to N folds at the same time, each in a process with the data for itself, twice. [default: one a core]",
)
@json_option
def test(
    where: tuple[str, ...],
    kit: Path | None,
    submission: str | None,
    *,
    notebook: bool,
    jobs: int | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Train and score a submission here, by cross-validation on the kit's data; or ALL of them.

    Uses the kit's .venv if it has one. What the submission prints goes to standard error. The exit code is 1 if a
    submission fails, or the notebook.

    Numbers do not depend on --jobs: every fold begins with a fresh copy of the data, the platform's seeds, and one core
    (set OMP_NUM_THREADS for more). With --jobs 1 a submission may stop in a debugger.

    \b
    Examples:
      palio test iris
      palio test iris my_forest
      cd iris && palio test my_forest --quick
      palio test iris ALL --save-output && palio show iris
    """
    choices = Choices(**chosen)
    targets = find_targets(where, kit, submission)
    tried = [_try(target, choices, jobs or cores(), quiet=as_json) for target in targets]
    if as_json:
        print_json(_as_json(tried, alone=ALL not in {*where, submission}))
    elif len(tried) > 1:
        _print_board(tried)
    failed = any(not result.succeeded for result in tried)
    if notebook:
        say(f"Running the notebook of {targets[0].kit}")
        failed = not run_notebook(targets[0].kit) or failed
    if failed:
        raise click.exceptions.Exit(1)


def _try(target: Target, choices: Choices, at_once: int, *, quiet: bool) -> TrialResult:
    """Run a trial, with its progress, and print what came of it."""
    say(f"Testing {target.submission.name} in {target.kit}")
    with progress_bar("Training", "folds") as moved:
        result = run_trial(
            target, choices, at_once=at_once, told=lambda so_far: moved(completed=len(so_far.folds), total=so_far.n_folds or None)
        )
    for words in result.notes:
        say(words, "yellow")
    if result.succeeded and not quiet:
        results().print(plain(result.title, "bold"))
        print_scores(results(), result.as_submission())
        if result.retrained is not None:
            print_retrained(results(), result.metrics, result.retrained["scores"], result.bagged or {})
    if not result.succeeded:
        _say_failure(result)
    elif choices.writes:
        say(f"Kept in {TrainingOutput(target.submission, choices.data_label).folder}")
    return result


def _say_failure(result: TrialResult) -> None:
    if result.traceback:
        say(result.traceback.rstrip())
    place = "" if result.failed_fold is None else f" in fold {result.failed_fold + 1}"
    say(f"{result.outcome}{place}: {result.reason}", "bold red")


def _as_json(tried: Sequence[TrialResult], *, alone: bool) -> dict[str, Any]:
    found = [_one_as_json(result) for result in tried]
    return found[0] if alone else {"kit": str(tried[0].target.kit), "submissions": found}


def _one_as_json(result: TrialResult) -> dict[str, Any]:
    target = result.target
    said = {"kit": str(target.kit), "submission": str(target.submission), "title": result.title, "notes": result.notes}
    return {**said, **result.as_submission(), "retrained": result.retrained}


def _print_board(tried: Sequence[TrialResult]) -> None:
    """All that have scores, the best first, and then those that have failed."""
    scored = [result for result in tried if result.succeeded]
    if scored:
        entries = [Entry.of_trial(result) for result in scored]
        results().print()
        results().print(LocalBoard(entries, scored[0].metrics, STEPS).table("All submissions, bagged"))
    for result in tried:
        if not result.succeeded:
            say(f"{result.target.submission.name} failed, {result.outcome}: {result.reason}", "bold red")
