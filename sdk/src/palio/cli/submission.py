"""`palio submit`, `status` and `logs`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from palio.cli.session import challenge_option, connect, here, json_option, named_challenge, named_submission, server_option
from palio.client import ApiError, Client
from palio.client.answers import Submission
from palio.contract_errors import KitError
from palio.kit_folder import find_target, read_elements
from palio.progress import progress_told
from palio.score_table import print_scores, seconds
from palio.terminal import messages, plain, print_json, results, say


@click.command()
@click.argument("where", nargs=-1, metavar="[KIT] [SUBMISSION]")
@click.option("--kit", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The kit's folder. [default: .]")
@click.option("--submission", help="Its name in submissions/, or its folder. [default: yours, if you have only one]")
@click.option("--name", help="Name on the board. [default: that of the submission's folder]")
@click.option("--watch", is_flag=True, help="Wait for the scores, and print them.")
@challenge_option
@server_option
@json_option
def submit(
    *,
    where: tuple[str, ...],
    kit: Path | None,
    submission: str | None,
    name: str | None,
    challenge: str | None,
    server: str | None,
    watch: bool,
    as_json: bool,
) -> None:
    """Hand in a submission: the files of its folder that the challenge asks for.

    With --watch, the exit code is 1 if it fails.

    \b
    Examples:
      palio submit iris --watch
      palio submit iris my_forest --name "forest, 50 trees"
    """
    target = find_target(where, kit, submission)
    challenge = named_challenge(challenge, target.origin)
    with connect(server, target.origin) as client:
        files = read_elements(target.submission, client.challenge(challenge)["elements"])
        try:
            handed_in = client.submit(challenge, name or target.submission.name, files)
        except ApiError as error:
            if error.code == "name-taken":
                raise KitError(f"{error} For example: palio submit --name '{target.submission.name}, again'.") from error
            raise
        say(f"Submitted {target.submission.name} to {challenge} as {handed_in['name']} ({handed_in['id']}).", "green")
        if watch:
            _report(_watch(client, handed_in["id"]), as_json=as_json)
            return
    if as_json:
        print_json(handed_in)
    say(f"See how it goes: palio status {handed_in['id']}")


@click.command()
@click.argument("submission", required=False)
@click.option("--watch", is_flag=True, help="Wait until it is scored or failed.")
@challenge_option
@server_option
@json_option
def status(submission: str | None, challenge: str | None, server: str | None, *, watch: bool, as_json: bool) -> None:
    """Show a submission by its id or name; without one, list your team's.

    \b
    Examples:
      palio status --challenge iris
      palio status my_forest --challenge iris
      palio status 0b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1e --watch
    """
    with connect(server, here()) as client:
        if submission is None:
            _print_list(client.submissions(named_challenge(challenge, here())), as_json=as_json)
            return
        submission_id = named_submission(client, submission, challenge)
        _report(_watch(client, submission_id) if watch else client.submission(submission_id), as_json=as_json)


@click.command()
@click.argument("submission", required=False)
@click.option("--follow", is_flag=True, help="Print what it prints while it runs, as it comes, then the whole log.")
@challenge_option
@server_option
def logs(submission: str | None, challenge: str | None, server: str | None, *, follow: bool) -> None:
    """Print what a submission printed, by its id or name; without one, your newest.

    \b
    Examples:
      palio logs my_forest --challenge iris
      palio logs --follow
    """
    with connect(server, here()) as client:
        submission_id = named_submission(client, submission, challenge)
        for lines in client.printed_lines(submission_id) if follow else ():
            messages().print(plain(lines["text"]), end="", soft_wrap=True)
        text = client.log(submission_id)
    results().print(plain(text), end="", soft_wrap=True)


@click.command()
@click.argument("submission")
@challenge_option
@server_option
def withdraw(submission: str, challenge: str | None, server: str | None) -> None:
    """Take back a submission, by its id or name, whose training is not over.

    It ends at once, is on no board, and its name can be used again.

    \b
    Example:
      palio withdraw my_forest --challenge iris
    """
    with connect(server, here()) as client:
        client.withdraw(named_submission(client, submission, challenge))
    say(f"Withdrawn: {submission}.", "green")


def _watch(client: Client, submission: str) -> Submission:
    """Follow a submission to its end, showing its folds."""
    found: Submission = {}
    with progress_told("waiting", "folds") as tell:
        for found in client.watch(submission):
            tell(_waiting(found), found.get("folds_done", 0), found.get("n_folds"))
    return found


def _waiting(found: Submission) -> str:
    """The state, and where it stands in the queue."""
    place = found.get("queue")
    if not place:
        return found["state"]
    where = f"{found['state']}, number {place['position']}"
    if place.get("paused"):
        reason = place.get("reason")
        return f"{where} in a queue that stands still" + (f": {reason}" if reason else "")
    wait_s = place["estimated_wait_s"]
    return where + ("" if wait_s is None else f", in about {seconds(wait_s)}")


def _report(found: Submission, *, as_json: bool) -> None:
    """Print a submission; ends with exit code 1 if it failed."""
    if as_json:
        print_json(found)
    elif found["state"] == "scored":
        console = results()
        console.print(plain(f"{found['name']} by {found.get('team', 'your team')} in {found['challenge']}", "bold"))
        print_scores(console, found)
        times = [f"{part} {seconds(found.get(f'{part}_time_s'))}" for part in ("train", "valid", "test")]  # type: ignore[arg-type]
        console.print(plain(f"Time: {', '.join(times)}"))
    if found["state"] != "failed":
        if not as_json and found["state"] != "scored":
            results().print(
                plain(f"{found['name']}: {_waiting(found)}, {found.get('folds_done', 0)} of {found.get('n_folds')} folds")
            )
        return
    if found.get("traceback"):
        say(str(found["traceback"]).rstrip())
    say(f"{found.get('outcome')}: {found.get('reason') or 'no reason was given'}", "bold red")
    raise click.exceptions.Exit(1)


def _print_list(submissions: list[Submission], *, as_json: bool) -> None:
    if as_json:
        print_json({"items": submissions})
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "state", "outcome", "submitted (UTC)", "id"):
        table.add_column(heading, no_wrap=heading == "id")
    for item in submissions:
        cells = (item["name"], item["state"], item.get("outcome") or "-", item["submitted_at"][:19].replace("T", " "), item["id"])
        table.add_row(*(plain(cell) for cell in cells))
    results().print(table)
