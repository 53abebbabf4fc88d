"""`palio reproduce`: a run made once more in its recorded environment, and compared."""

from __future__ import annotations

import click
from rich.table import Table

from palio.cli.runs import run_at_its_end
from palio.cli.session import challenge_option, connect, here, json_option, named_submission, server_option
from palio.cli.waiting import waiting
from palio.client import Client
from palio.client.run_answers import Comparison, Reproduction, Run
from palio.progress import progress_told
from palio.score_table import significant
from palio.terminal import plain, print_json, results, say

NOISE = {True: "yes", False: "no", None: "-"}


@click.command()
@click.argument("submission")
@click.option("--run", "number", type=click.IntRange(1), metavar="N", help="Which one. [default: the newest that is trained]")
@click.option("--reason", default="", help="Why; stands in the submission's history.")
@challenge_option
@server_option
@json_option
def reproduce(
    *, submission: str, number: int | None, reason: str, challenge: str | None, server: str | None, as_json: bool
) -> None:
    """Run a submission again on the same data in the same environment, and say whether predictions and scores repeat.

    By its id, or by its name if it is your team's. For the challenge's organiser and administrators. The new run stands on no board; one that is under way is not begun twice. The
    exit code is 0 if predictions repeat, or scores do within the noise of the folds; else 1.

    \b
    Examples:
      palio reproduce 0b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1e
      palio reproduce 0b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1e --run 1 --reason "for the paper"
    """
    with connect(server, here()) as client:
        asked = client.reproduce(named_submission(client, submission, challenge), number, reason)
        say(f"Run {asked['run']} is requested, to be compared with run {asked['of_run']}.", "green")
        run = _ended(client, asked)
    if as_json:
        print_json(run)
    _report(run, asked, as_json=as_json)


def _ended(client: Client, asked: Reproduction) -> Run:
    """The run once it has ended."""
    with waiting(f"palio runs {asked['submission']}"), progress_told("requested", "folds") as tell:
        return run_at_its_end(
            client, asked["submission"], asked["run"], lambda run: tell(run["state"], run["folds_done"], run["n_folds"])
        )


def _report(run: Run, asked: Reproduction, *, as_json: bool) -> None:
    """Say what came of it; ends with exit code 1 unless it repeats or is within noise."""
    if run["state"] != "scored":
        say(f"{run['outcome'] or run['state']}: {run['reason'] or 'no reason is shown'}", "bold red")
        raise click.exceptions.Exit(1)
    compared = run["comparison"]
    if compared is None:
        say(f"There is nothing to compare with: run {asked['of_run']} has no scores by this version of the problem.", "bold red")
        raise click.exceptions.Exit(1)
    if not as_json:
        for fold, is_same in enumerate(compared["same_predictions"], start=1):
            results().print(f"Fold {fold}: predictions {'repeat bit for bit' if is_same else 'differ'}")
        results().print()
        results().print(_table(compared))
    verdict, is_good = _verdict(compared)
    say(verdict, "bold green" if is_good else "bold red")
    if not is_good:
        raise click.exceptions.Exit(1)


def _verdict(compared: Comparison) -> tuple[str, bool]:
    """The closing sentence, and whether it is a good one."""
    if compared["repeats"]:
        return "It repeats: all predictions are the same, bit for bit.", True
    if compared["within_noise"]:
        return "Predictions differ, scores do by no more than folds do: it reproduces within noise.", True
    if compared["within_noise"] is None:
        return (
            "Predictions differ, and whether scores do beyond noise nobody can tell: a score or its standard error is missing.",
            False,
        )
    return "It does not reproduce: predictions differ, and scores by more than folds do.", False


def _table(compared: Comparison) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("metric")
    for heading in ("before", "after", "difference", "standard error", "within noise"):
        table.add_column(heading, justify="right")
    for score in compared["scores"]:
        numbers = (score["before"], score["after"], score["difference"], score["standard_error"])
        cells = (score["metric"], *map(significant, numbers), NOISE[score["within_noise"]])
        table.add_row(*(plain(cell) for cell in cells))
    return table
