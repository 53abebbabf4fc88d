"""`palio test`: trains and scores a submission here, on the public data."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from palio.cli.session import json_option
from palio.kit_folder import find_target
from palio.score_table import print_scores
from palio.terminal import messages, plain, print_json, results, say
from palio.trial_process import TrialResult, run_trial


@click.command()
@click.argument("where", nargs=-1, metavar="[KIT] [SUBMISSION]")
@click.option("--kit", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The kit's folder. [default: .]")
@click.option("--submission", help="Its name in submissions/, or its folder. [default: yours, if you have only one]")
@click.option("--quick", is_flag=True, help="Let the kit take less data, by RAMP_TEST_MODE=1.")
@json_option
def test(where: tuple[str, ...], kit: Path | None, submission: str | None, *, quick: bool, as_json: bool) -> None:
    """Train and score a submission here, by cross-validation on the kit's data.

    Uses the kit's .venv if it has one. What the submission prints goes to standard error. The exit code is 1 if the
    submission fails.

    \b
    Examples:
      palio test iris
      palio test iris my_forest
      cd iris && palio test my_forest --quick
    """
    target = find_target(where, kit, submission)
    say(f"Testing {target.submission.name} in {target.kit}")
    columns = (TextColumn("Training"), BarColumn(), MofNCompleteColumn(), TextColumn("folds"), TimeElapsedColumn())
    console = messages()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def told(result: TrialResult) -> None:
            progress.update(task, completed=len(result.folds), total=result.n_folds or None)

        result = run_trial(target, quick=quick, told=told)
    found = result.as_submission()
    if as_json:
        print_json({"kit": str(target.kit), "submission": str(target.submission), "title": result.title, **found})
    elif result.succeeded:
        results().print(plain(result.title, "bold"))
        print_scores(results(), found)
    if not result.succeeded:
        if result.traceback:
            say(result.traceback.rstrip())
        say(f"{result.outcome}: {result.reason}", "bold red")
        raise click.exceptions.Exit(1)
