"""`palio runs`: every training of a submission, and which of them the boards show."""

from __future__ import annotations

from collections.abc import Callable

import click
from rich.table import Table

from palio.cli.session import challenge_option, connect, here, json_option, named_submission, server_option
from palio.client import Client, answers_of
from palio.client.run_answers import Run
from palio.score_table import significant
from palio.terminal import plain, print_json, results, say

#: States after which nothing of a run changes.
ENDED = frozenset({"scored", "failed", "withdrawn"})
DIGEST_LENGTH = 12


@click.command()
@click.argument("submission", required=False)
@challenge_option
@server_option
@json_option
def runs(submission: str | None, challenge: str | None, server: str | None, *, as_json: bool) -> None:
    """List the runs of a submission, by its id or name; without one, of your newest.

    \b
    Examples:
      palio runs 0b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1e
      palio runs my_forest --challenge iris
    """
    with connect(server, here()) as client:
        found = client.runs(named_submission(client, submission, challenge))
    if as_json:
        print_json(found)
        return
    results().print(_table(found["items"]))
    if any(run["is_shown"] for run in found["items"]):
        say("*: the run that boards show.", "dim")


def run_at_its_end(client: Client, submission: str, number: int, meanwhile: Callable[[Run], None] | None = None) -> Run:
    """Wait until this run of a submission has ended; `meanwhile` is called with how it stands."""
    for found in answers_of(lambda: client.runs(submission)):
        # What was just requested may not be read yet.
        run = next((each for each in found["items"] if each["number"] == number), None)
        if run is not None and run["state"] in ENDED:
            return run
        if run is not None and meanwhile is not None:
            meanwhile(run)
    raise AssertionError("answers end only with an error")


def _about(run: Run) -> str:
    """Why it was made, in words."""
    if run["purpose"] == "reproduce":
        return f"reproduction of {run['of_run']}"
    return {"first": "upload", "retrain": "retraining"}.get(run["purpose"], run["purpose"])


def _table(items: list[Run]) -> Table:
    metrics = list(dict.fromkeys(name for run in items for name in run["scores"] or {}))
    table = Table(box=None, pad_edge=False)
    table.add_column("run", justify="right")
    for heading in ("why", "version", "state", "folds", *metrics, "requested (UTC)", "environment", "reason"):
        table.add_column(plain(heading), justify="right" if heading in metrics else "left", overflow="fold")
    for run in items:
        scores = run["scores"] or {}
        cells = (
            f"{run['number']} *" if run["is_shown"] else f"{run['number']}  ",
            _about(run),
            str(run["problem_version"]),
            run["outcome"] if run["state"] == "failed" and run["outcome"] else run["state"],
            f"{run['folds_done']} of {run['n_folds']}" if run["n_folds"] else "-",
            *(significant(scores.get(name)) for name in metrics),
            run["requested_at"][:19].replace("T", " "),
            (run["environment_digest"] or "-")[:DIGEST_LENGTH],
            run["reason"] or "-",
        )
        table.add_row(*(plain(cell) for cell in cells))
    return table
