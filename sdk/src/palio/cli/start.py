"""`palio join` and `palio start`: entering a challenge, and getting its kit with its environment."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import BinaryIO, cast

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from palio.cli.session import connect, json_option, server_option
from palio.client import Client
from palio.contract_errors import KitError
from palio.environment import make_environment
from palio.kit_folder import Origin, is_kit, origin_of, remember_origin
from palio.starting import unpack_kit
from palio.terminal import messages, plain, print_json, say


@click.command()
@click.argument("challenge")
@server_option
@json_option
def join(challenge: str, server: str | None, *, as_json: bool) -> None:
    """Enter a challenge with your team.

    \b
    Example:
      palio join iris
    """
    with connect(server) as client:
        entered = client.join(challenge)
    if as_json:
        print_json(entered)
    say(f"Joined {challenge}: {entered['state']}. Next: palio start {challenge}", "green")


@click.command()
@click.argument("challenge")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to. [default: ./CHALLENGE]")
@click.option("--no-environment", is_flag=True, help="Leave out the environment: test with what is installed here.")
@server_option
def start(challenge: str, folder: Path | None, server: str | None, *, no_environment: bool) -> None:
    """Download a challenge's starting kit, with the environment that submissions run in; join first if need be.

    Run it again to bring the environment up to date: the kit's files stay as they are.

    \b
    Example:
      palio start iris
    """
    folder = folder or Path(challenge)
    origin = origin_of(folder)
    with connect(server, origin) as client:
        _join_once(client, challenge)
        if _is_new(folder, origin, challenge):
            _download(client, challenge, folder)
            remember_origin(folder, Origin(client.server, challenge))
            say(f"The starting kit is in {folder}; begin from {folder / 'submissions' / 'starting_kit'}.", "green")
        else:
            say(f"{folder} holds the kit already; its files stay as they are.")
        if not no_environment:
            _make_environment(client, challenge, folder)
    say(f"Next: palio test {folder}")


def _join_once(client: Client, challenge: str) -> None:
    if client.challenge(challenge).get("joined") is False:
        entered = client.join(challenge)
        say(f"Joined {challenge}: {entered['state']}.")


def _is_new(folder: Path, origin: Origin | None, challenge: str) -> bool:
    """Whether the kit must be downloaded; raises KitError if something else is in its place."""
    if not folder.exists() or not any(folder.iterdir()):
        return True
    if is_kit(folder) and origin is not None and origin.challenge == challenge:
        return False
    raise KitError(f"{folder} is there already, and is not the kit of {challenge}. Name another place with --folder.")


def _download(client: Client, challenge: str, folder: Path) -> None:
    columns = (TextColumn("Starting kit"), BarColumn(), DownloadColumn())
    console = messages()
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with tempfile.TemporaryFile() as file, shown as progress:
        archive = cast("BinaryIO", file)
        task = progress.add_task("", total=None)
        client.starting_kit(challenge, archive, lambda done, total: progress.update(task, completed=done, total=total))
        unpack_kit(archive, folder)


def _make_environment(client: Client, challenge: str, folder: Path) -> None:
    environment = client.environment(challenge)
    python = environment["python_version"]
    with messages().status(f"Making the environment (Python {python}) in {folder / '.venv'} …") as status:
        made = make_environment(folder, environment, client, lambda line: status.update(plain(f"Environment: {line[:100]}")))
    say(
        f"The environment in {folder / '.venv'} is {'made' if made else 'up to date'}: Python {python}, as on the server.",
        "green",
    )
