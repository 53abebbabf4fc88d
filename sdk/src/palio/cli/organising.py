"""`palio problem` and `palio challenge`: what organisers do."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from palio.cli.kit_faults import faults
from palio.cli.rescore import rescore
from palio.cli.retrain import retrain
from palio.cli.session import connect, json_option, server_option
from palio.client import Client
from palio.client.answers import Problem
from palio.packing import packed_problem
from palio.terminal import messages, plain, print_json, results, say

#: Between two looks at a problem that is being prepared.
POLL_S = 1.0


@click.group()
def problem() -> None:
    """Publish problems, and see how they are prepared."""


@problem.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--id", "problem_id", metavar="ID", help="The problem's id. [default: the folder's name]")
@click.option(
    "--private", type=click.Path(exists=True, path_type=Path), help="Private data: a folder, or an archive holding data/."
)
@click.option("--all-data-public", is_flag=True, help="Everyone may have all of the kit's data.")
@click.option("--requirements", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="In place of the kit's own.")
@click.option("--python-version", metavar="X.Y", help="Python of the environment. [default: the server's]")
@click.option("--as-of", metavar="DATE", help="Resolve the environment as the package index was on this day (YYYY-MM-DD).")
@click.option(
    "--label-free-folder",
    "label_free_folders",
    multiple=True,
    metavar="FOLDER",
    help="Private data that submissions may read, such as images.",
)
@click.option("--wait", is_flag=True, help="Wait until it is prepared; the exit code is 1 if that fails.")
@server_option
@json_option
def publish(  # noqa: PLR0913 - one parameter an option
    *,
    path: Path,
    problem_id: str | None,
    private: Path | None,
    requirements: Path | None,
    python_version: str | None,
    as_of: str | None,
    label_free_folders: tuple[str, ...],
    server: str | None,
    all_data_public: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Publish the kit in a folder as a problem, or as the next version of one.

    Participants get the kit with the content of data/public/ as its data/; the rest of data/ goes up apart and stays
    private, as do all submissions but the starter and prepare_data.py. A kit without data/ has its prepare_data.py run first.

    \b
    Examples:
      palio problem publish kits/iris --wait
      palio problem publish titanic --private ../titanic-data --as-of 2025-06-01
    """
    settings: dict[str, Any] = {"python_version": python_version, "as_of": as_of, "label_free_folders": list(label_free_folders)}
    settings["requirements"] = requirements.read_text(encoding="utf-8") if requirements else None
    given = {key: value for key, value in settings.items() if value}
    with connect(server) as client:
        with (
            messages().status("Packing the kit …") as status,
            packed_problem(path, private, all_data_public=all_data_public) as packed,
        ):
            status.update("Uploading …")
            published = client.publish_problem(problem_id or path.resolve().name.lower(), packed.kit, packed.private, given)
        say(f"Published {published['id']}, version {published['version']}.", "green")
        found = _wait(client, published) if wait else published
    if as_json:
        print_json(found)
    if wait:
        _report(found)
    else:
        say(f"It is being prepared: palio problem show {published['id']}")


@problem.command()
@click.argument("problem_id", metavar="ID")
@server_option
@json_option
def show(problem_id: str, server: str | None, *, as_json: bool) -> None:
    """Show a problem's newest version: whether it is prepared, or why not.

    \b
    Example:
      palio problem show iris
    """
    with connect(server) as client:
        found = client.problem(problem_id)
    if as_json:
        print_json(found)
    _report(found)


@click.group()
def challenge() -> None:
    """Open challenges, list them, and score or train again what was handed in."""


@challenge.command()
@click.argument("challenge_id", metavar="ID")
@click.option("--problem", "problem_id", required=True, metavar="ID", help="A prepared problem.")
@click.option("--title", required=True, help="What people read.")
@click.option("--opens", type=click.DateTime(), help="First submissions, UTC. [default: now]")
@click.option("--code-opens", type=click.DateTime(), help="From then on teams see each other's code, UTC. [default: at closing]")
@click.option("--closes", type=click.DateTime(), help="Last submissions, UTC. [default: in 30 days]")
@click.option("--pool", help="The trainers that serve it.")
@click.option("--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Longest training of a fold.")
@click.option("--memory-limit", type=click.IntRange(min=1), metavar="MB", help="Most memory of a fold.")
@click.option(
    "--log",
    "log_policy",
    type=click.Choice(["full", "own_traceback", "none"]),
    help="What teams see of what their submissions print. [default: full]",
)
@server_option
@json_option
def create(  # noqa: PLR0913 - one parameter an option
    *,
    challenge_id: str,
    problem_id: str,
    title: str,
    opens: datetime | None,
    code_opens: datetime | None,
    closes: datetime | None,
    pool: str | None,
    time_limit: float | None,
    memory_limit: int | None,
    log_policy: str | None,
    server: str | None,
    as_json: bool,
) -> None:
    """Open a challenge on a prepared problem.

    \b
    Example:
      palio challenge create iris --problem iris --title "Iris" --closes 2030-01-31T12:00:00
    """
    limits = {"time_limit_s": time_limit, "memory_limit_bytes": None if memory_limit is None else memory_limit * 10**6}
    limits = {key: value for key, value in limits.items() if value is not None}
    settings = {
        "opens_at": _utc(opens),
        "code_opens_at": _utc(code_opens),
        "closes_at": _utc(closes),
        "pool": pool,
        "limits": limits or None,
        "log_policy": log_policy,
    }
    with connect(server) as client:
        given = {key: value for key, value in settings.items() if value is not None}
        created = client.create_challenge(challenge_id, title, problem_id, given)
    if as_json:
        print_json(created)
    say(f"The challenge {created['id']} is open for whoever runs: palio start {created['id']}", "green")


for command in (faults, rescore, retrain):
    challenge.add_command(command)


@challenge.command("list")
@server_option
@json_option
def list_challenges(server: str | None, *, as_json: bool) -> None:
    """List the challenges.

    \b
    Example:
      palio challenge list
    """
    with connect(server) as client:
        found = client.challenges()
    if as_json:
        print_json({"items": found})
        return
    for item in found:
        results().print(
            plain(f"{item['id']}: {item['title']} ({item['phase']}, closes {item['closes_at'][:16].replace('T', ' ')} UTC)")
        )
        if closed := item.get("closed"):
            words = f"  the ledger when it closed: position {closed['position']}, hash {closed['hash']}"
            results().print(plain(words), soft_wrap=True)


def _wait(client: Client, published: Problem) -> Problem:
    """The version once it is prepared or failed."""
    began = time.monotonic()
    with messages().status("") as status:
        while True:
            found = client.problem(published["id"])
            # A projection that is behind may still show the version before.
            if found["version"] >= published["version"] and found["state"] != "preparing":
                return found
            status.update(f"Preparing data, folds and environment … {time.monotonic() - began:.0f} s")
            time.sleep(POLL_S)


def _report(found: Problem) -> None:
    """Say how a problem stands; ends with exit code 1 if its preparation failed."""
    head = f"{found['id']}, version {found['version']}: {found['state']}"
    if found["state"] == "failed":
        if found.get("detail"):
            say(str(found["detail"]).rstrip())
        say(f"{head}. {found.get('outcome')}: {found.get('reason')}", "bold red")
        raise click.exceptions.Exit(1)
    if found["state"] == "prepared":
        elements = ", ".join(found.get("elements") or [])
        head = f"{head}; {found.get('title')}, {found.get('n_folds')} folds, a submission consists of {elements}"
    say(f"{head}.")


def _utc(moment: datetime | None) -> str | None:
    """A moment in UTC as ISO 8601."""
    return None if moment is None else f"{moment.isoformat()}Z"
