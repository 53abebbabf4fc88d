"""`palio register`, `login` and `logout`."""

from __future__ import annotations

import os
import sys

import click

from palio.cli.session import credentials, json_option, server_address, server_option
from palio.client import Client
from palio.credentials import Login
from palio.terminal import print_json, say

stdin_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.command()
@server_option
@click.option("--name", prompt="Name", help="Name that others see.")
@click.option("--email", prompt="Mail address", help="Where results are mailed to.")
@stdin_option
@json_option
def register(server: str | None, name: str, email: str, *, password_stdin: bool, as_json: bool) -> None:
    """Make an account, and log in.

    The password is asked for, or taken from PALIO_PASSWORD or standard input; never from the command line, where others
    see it.

    \b
    Example:
      palio register --name ada --email ada@example.org
    """
    address = server_address(server)
    password = _password(from_stdin=password_stdin, twice=True)
    with Client(address) as client:
        user = client.register(name, email, password)
        login = _log_in(client, address, name, password)
    if as_json:
        print_json({**user, "server": address, "expires_at": login.expires_at})
    say(f"{name} is registered and logged in at {address}. Next: palio start CHALLENGE", "green")


@click.command()
@server_option
@click.option("--name", prompt="Name", help="Name of the account.")
@stdin_option
@json_option
def login(server: str | None, name: str, *, password_stdin: bool, as_json: bool) -> None:
    """Log in: keeps a token for the server in your configuration folder.

    The password is asked for, or taken from PALIO_PASSWORD or standard input.

    \b
    Example:
      palio login --name ada
    """
    address = server_address(server)
    password = _password(from_stdin=password_stdin, twice=False)
    with Client(address) as client:
        known = _log_in(client, address, name, password)
    if as_json:
        print_json({"name": name, "server": address, "expires_at": known.expires_at})
    say(f"{name} is logged in at {address}, until {known.expires_at[:10]}.", "green")


@click.command()
@server_option
def logout(server: str | None) -> None:
    """Forget the token of a server.

    \b
    Example:
      palio logout
    """
    address = server_address(server)
    known = credentials().forget(address)
    say(f"Logged out of {address}." if known else f"Nobody was logged in at {address}.")


def _log_in(client: Client, address: str, name: str, password: str) -> Login:
    token = client.login(name, password)
    login = Login(name=name, token=token["token"], expires_at=token["expires_at"])
    credentials().remember(address, login)
    return login


def _password(*, from_stdin: bool, twice: bool) -> str:
    """The password, by the way that was asked for; raises UsageError if there is none."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise click.UsageError("Standard input holds no password.")
        return password
    given = os.environ.get("PALIO_PASSWORD")
    if given:
        return given
    if not sys.stdin.isatty():
        raise click.UsageError("No terminal to ask for the password: set PALIO_PASSWORD, or use --password-stdin.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=twice))
