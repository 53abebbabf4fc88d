"""`palio challenge rescore`: another version of a challenge's problem, first to look, then for real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.table import Table

from palio.cli.session import connect, json_option, server_option
from palio.cli.waiting import waiting
from palio.client import ApiError, Client, answers_of
from palio.client.run_answers import Rescoring, RescoringStep
from palio.contract_errors import KitError
from palio.progress import progress_told
from palio.score_table import significant
from palio.terminal import messages, plain, print_json, results, say


@click.command()
@click.argument("challenge_id", metavar="ID")
@click.option("--version", "version", type=click.IntRange(1), metavar="N", help="Of the problem. [default: the newest prepared]")
@click.option("--confirm", is_flag=True, help="Let the challenge run this version.")
@click.option("--without-missing", is_flag=True, help="Confirm although submissions without a score by it leave the boards.")
@server_option
@json_option
def rescore(
    challenge_id: str, version: int | None, server: str | None, *, confirm: bool, without_missing: bool, as_json: bool
) -> None:
    """Score what was handed in to your challenge by another version of its problem, without training.

    First only to look: whose place would move, and what would have no score. Boards stay as they are. With --confirm they all change
    over at once, and teams whose place moved get a mail. Either twice changes nothing the second time.

    \b
    Examples:
      palio challenge rescore iris
      palio challenge rescore iris --version 2 --confirm
    """
    if without_missing and not confirm:
        raise click.UsageError("--without-missing goes with --confirm.")
    with connect(server) as client:
        asked = client.rescore(challenge_id, version)
        version = asked["problem_version"]
        again = f"palio challenge rescore {challenge_id} --version {version}"
        with _as_what_it_runs(asked):
            found = _once(client, challenge_id, version, {"computed", "confirmed", "adopted"}, again)
        if confirm and found["state"] == "computed":
            _confirm(client, found, without_missing=without_missing)
        if confirm and found["state"] != "adopted":
            # Or looked at anew, since something came meanwhile that has no score by it.
            found = _once(client, challenge_id, version, {"adopted", "computed"}, f"{again} --confirm")
    if as_json:
        print_json(found)
    else:
        _show(found, again)
    if confirm and found["state"] != "adopted":
        raise KitError("It is not confirmed: submissions that came meanwhile have no score by it. See above, then confirm again.")


def _once(client: Client, challenge: str, version: int, states: set[str], look_again: str) -> Rescoring:
    """Wait until it is in one of these states."""
    with waiting(look_again), progress_told("Scoring", "submissions") as tell:
        for found in answers_of(lambda: client.rescoring(challenge, version)):
            if found["state"] in states:
                return found
            doing = "Scoring what came meanwhile" if found["state"] == "confirmed" else "Scoring"
            tell(doing, found["n_scored"], found["n_submissions"])
    raise AssertionError("answers end only with an error")


@contextmanager
def _as_what_it_runs(asked: RescoringStep) -> Iterator[None]:
    """A version that the challenge began with was never asked for: there is nothing to look at, and the way on is to publish."""
    try:
        yield
    except ApiError as error:
        if asked["state"] != "adopted" or error.code != "unknown-rescoring":
            raise
        raise KitError(
            f"{asked['challenge']} runs version {asked['problem_version']} of its problem, since it began. Publish the next version, then"
            " ask again: palio problem publish PATH --wait"
        ) from error


def _confirm(client: Client, found: Rescoring, *, without_missing: bool) -> None:
    """Confirm it. Where submissions would leave the boards for it, they are named before the error, which says what to do."""
    challenge, version = found["challenge"], found["problem_version"]
    try:
        client.confirm_rescoring(challenge, version, without_missing=without_missing)
    except ApiError as error:
        if error.code == "scores-missing":
            messages().print(_missing(client.rescoring(challenge, version)))
        raise


def _show(found: Rescoring, again: str) -> None:
    challenge, version = found["challenge"], found["problem_version"]
    adopted = found["state"] == "adopted"
    console = results()
    if found["moves"]:
        verb = "moved" if adopted else "would move"
        # Not the table's title, which is no wider than the table.
        console.print(plain(f"{challenge}, from version {found['from_version']} to {version}: whose place {verb}"))
        console.print(_moves(found))
    if found["missing"]:
        console.print()
        console.print(_missing(found))
    n_moved = len(found["moves"])
    teams = "1 team has" if n_moved == 1 else f"{n_moved} teams have"
    if adopted:
        say(f"{challenge} runs version {version} of its problem now; all boards show scores by it.", "green")
        say(
            f"{teams} another place than before; their members hear of it by mail."
            if n_moved
            else "No team has another place than before."
        )
        return
    say(f"A dry run: {found['n_scored']} of {found['n_submissions']} submissions have a score by version {version}; boards stay.")
    if not n_moved:
        say("No team would have another place.")
    if any(move["after"] is not None and move["score_after"] is None for move in found["moves"]):
        say(f"{found['metric']} gave no number for some of them. What it said: palio challenge faults {challenge}", "yellow")
    if found["missing"]:
        say(f"Have those without a score trained on it: palio challenge retrain {challenge} --version {version}")
    if found["state"] == "confirmed":
        say(f"It is confirmed already, and adopted soon. Wait for it: {again} --confirm")
    elif found["missing"]:
        say(f"Or let them leave the boards: {again} --confirm --without-missing")
    else:
        say(f"If this is what you want: {again} --confirm")


def _moves(found: Rescoring) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("team")
    for heading in ("before", "after", f"{found['metric_before']} before", f"{found['metric']} after"):
        table.add_column(plain(heading), justify="right")
    for move in found["moves"]:
        places = (str(move["before"] or "-"), str(move["after"] or "-"))
        cells = (move["team"], *places, significant(move["score_before"]), significant(move["score_after"]))
        table.add_row(*(plain(cell) for cell in cells))
    return table


def _missing(found: Rescoring) -> Table:
    title = f"Without a score by version {found['problem_version']}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("team", "submission", "why", "id"):
        table.add_column(heading, no_wrap=heading == "id", overflow="fold")
    for each in found["missing"]:
        table.add_row(*(plain(cell) for cell in (each["team"], each["submission"], each["why"], each["submission_id"])))
    return table
