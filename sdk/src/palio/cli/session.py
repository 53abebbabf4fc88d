"""Which server a command speaks to, as whom, and about which challenge and submission."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, TypeVar
from uuid import UUID

import click

from palio.client import Client
from palio.contract_errors import KitError
from palio.credentials import Credentials
from palio.kit_folder import Origin, origin_of

DEFAULT_SERVER = "http://127.0.0.1:8700"

F = TypeVar("F", bound=Callable[..., Any])

server_option = click.option(
    "--server",
    envvar="PALIO_SERVER",
    metavar="URL",
    help=f"Address of the platform. [env: PALIO_SERVER; default: the kit's, that of the last login, or {DEFAULT_SERVER}]",
)
challenge_option = click.option("--challenge", metavar="ID", help="The challenge. [default: that of the kit]")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


def credentials() -> Credentials:
    """What this user's configuration folder holds."""
    return Credentials.load(Path(click.get_app_dir("palio")))


def server_address(server: str | None, origin: Origin | None = None) -> str:
    """The server meant: the one named, the kit's, that of the last login, or the default."""
    address = server or (origin.server if origin else None) or credentials().current or DEFAULT_SERVER
    address = address.rstrip("/")
    return address if "://" in address else f"http://{address}"


def connect(server: str | None, origin: Origin | None = None) -> Client:
    """A client for the server meant, with the token of PALIO_TOKEN or of the login there, if there is one."""
    address = server_address(server, origin)
    login = credentials().logins.get(address)
    return Client(address, os.environ.get("PALIO_TOKEN") or (login.token if login else None))


def named_challenge(challenge: str | None, origin: Origin | None) -> str:
    """The challenge named, or the kit's; raises KitError if there is neither."""
    if challenge is not None:
        return challenge
    if origin is None:
        raise KitError("Which challenge? Run this in the folder that `palio start` made, or name it with --challenge.")
    return origin.challenge


def here() -> Origin | None:
    """Where the kit in the current folder came from."""
    return origin_of(Path.cwd())


def named_submission(client: Client, submission: str | None, challenge: str | None) -> str:
    """The id of a submission given by id or name, or of the newest; raises KitError if there is none."""
    if submission is not None and _is_id(submission):
        return submission
    challenge = named_challenge(challenge, here())
    own = sorted(client.submissions(challenge), key=lambda item: item["submitted_at"])
    matching = [item for item in own if submission in {None, item["name"]}]
    if not matching:
        raise KitError(
            f"Your team has no submission {submission} in {challenge}; `palio status --challenge {challenge}` lists them."
            if submission
            else f"Your team has no submission in {challenge}: `palio submit` hands one in."
        )
    return matching[-1]["id"]


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
