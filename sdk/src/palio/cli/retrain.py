"""`palio challenge retrain`: one more run of submissions, which takes the place of the one before once it is scored."""

from __future__ import annotations

from uuid import UUID

import click
from rich.table import Table

from palio.cli.runs import run_at_its_end
from palio.cli.session import connect, json_option, server_option
from palio.cli.waiting import waiting
from palio.client import Client
from palio.client.run_answers import Retraining, RetrainingItem, Run
from palio.progress import progress_told
from palio.terminal import plain, print_json, results, say

#: What became of each that was to be retrained.
WORDS = {
    "requested": "requested",
    "already": "trained again on this version already",
    "under-way": "under way already",
    "not-trained": "not trained again: withdrawn, or its own code failed (--submission trains it all the same)",
}


@click.command()
@click.argument("challenge_id", metavar="ID")
@click.option(
    "--submission",
    "submissions",
    multiple=True,
    type=click.UUID,
    metavar="ID",
    help="Only this one; may be repeated. [default: all]",
)
@click.option("--version", type=click.IntRange(1), metavar="N", help="Of the problem. [default: the one that the challenge runs]")
@click.option("--again", is_flag=True, help="Also those that were trained again on this version before.")
@click.option("--reason", default="", help="Why; stands in the history of each submission.")
@click.option("--wait", is_flag=True, help="Wait until all are scored or failed; exit code 1 if any failed.")
@server_option
@json_option
def retrain(
    *,
    challenge_id: str,
    submissions: tuple[UUID, ...],
    version: int | None,
    reason: str,
    server: str | None,
    again: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Train submissions of your challenge once more: all that were trained, or failed by no fault of their own.

    Boards show what they do now until the new run is scored; if it fails, they go on. Twice trains once, unless you say --again.

    \b
    Examples:
      palio challenge retrain iris --reason "the GPUs were overheated"
      palio challenge retrain iris --version 2 --wait
      palio challenge retrain iris --submission 0b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1e
    """
    chosen = [str(each) for each in submissions] or None
    with connect(server) as client:
        asked = client.retrain(challenge_id, chosen, version, again=again, reason=reason)
        if not as_json:
            _show(asked)
        running = [item for item in asked["items"] if item["state"] in {"requested", "under-way"}]
        # Said again, it asks for nothing, and waits for what is under way.
        again_waited_for = f"palio challenge retrain {challenge_id} --version {asked['problem_version']} --wait"
        with waiting(again_waited_for):
            ended = _ended(client, running) if wait else []
    if as_json:
        print_json({**asked, "runs": [{"submission": item["submission"], **run} for item, run in ended]} if wait else asked)
    elif running and not wait:
        say(f"See how one goes: palio runs {running[0]['submission']}")
    _report(ended)


def _show(asked: Retraining) -> None:
    items = asked["items"]
    if not items:
        say(f"Nothing was handed in to {asked['challenge']}: there is nothing to train again.", "yellow")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("submission", "run", "state", "id"):
        table.add_column(heading, no_wrap=heading == "id")
    for item in items:
        cells = (item["name"], str(item["run"]), WORDS.get(item["state"], item["state"]), item["submission"])
        table.add_row(*(plain(cell) for cell in cells))
    results().print(table)
    n_requested = sum(item["state"] == "requested" for item in items)
    say(f"Requested: {n_requested} of {len(items)}, on version {asked['problem_version']} of the problem.", "green")
    if any(item["state"] == "already" for item in items):
        say("Those that were trained again on this version already are trained once more with --again.")


def _ended(client: Client, running: list[RetrainingItem]) -> list[tuple[RetrainingItem, Run]]:
    """Each with its run once that has ended. One is looked at after the other, so that the server is not asked for all at once."""
    ended: list[tuple[RetrainingItem, Run]] = []
    with progress_told("Training", "submissions") as tell:
        for item in running:
            tell("Training", len(ended), len(running))
            ended.append((item, run_at_its_end(client, item["submission"], item["run"])))
    return ended


def _report(ended: list[tuple[RetrainingItem, Run]]) -> None:
    """Say what became of them; ends with exit code 1 if any has no score."""
    failed = [(item, run) for item, run in ended if run["state"] != "scored"]
    for item, run in failed:
        say(f"{item['name']}, run {run['number']}: {run['outcome']}: {run['reason'] or 'no reason is shown'}", "bold red")
    if failed:
        say(f"Scored: {len(ended) - len(failed)} of {len(ended)}. Of the others boards show what they did before.")
        raise click.exceptions.Exit(1)
    if ended:
        say(f"Scored: all {len(ended)}.", "green")
