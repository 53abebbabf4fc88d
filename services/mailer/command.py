"""`palio mail`: whether mails leave. For operators."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Connection, text

from services.mailer.reactions import SCHEMA
from services.mailer.silence import silence_of, turn_off, turn_on
from shared.owner import owner_engine


@click.group()
def mail() -> None:
    """Whether mails leave: turn them off, and on again.

    Kept in the database, for all mailers, through restarts. Needs PALIO_OWNER_DATABASE_URL, the database as its owner.
    """


@mail.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, as_json: bool) -> None:
    """Say whether mails leave, and why not.

    \b
    Example:
      palio mail status
    """
    with _tables() as connection:
        found = silence_of(connection)
    if as_json:
        facts = {"on": found is None, "since": found and found.since.isoformat(), "reason": found and found.reason}
        click.echo(json.dumps(facts))
    elif found is None:
        click.echo("Mail is on.")
    else:
        click.echo(f"Mail is off since {found.since:%Y-%m-%d %H:%M %Z}: {found.reason}. Turn it on with: palio mail on")


@mail.command()
@click.option("--reason", default="turned off by an operator", show_default=True, help="Kept with every mail that is dropped.")
def off(reason: str) -> None:
    """Let no mail leave: what waits is dropped, and so is what is caused from now on.

    \b
    Example:
      palio mail off --reason "a drill"
    """
    with _tables() as connection:
        dropped = turn_off(connection, reason)
    click.echo(f"Mail is off. Mails that waited and are dropped: {dropped:,}.")


@mail.command()
def on() -> None:
    """Let mails leave again, from what happens now on; what was dropped is not sent.

    \b
    Example:
      palio mail on
    """
    with _tables() as connection:
        turned = turn_on(connection)
    click.echo(f"Mail is {'on again' if turned else 'on already'}.")


@contextmanager
def _tables() -> Iterator[Connection]:
    with owner_engine() as engine, engine.begin() as connection:
        connection.execute(text("SELECT set_config('search_path', :schema, true)"), {"schema": SCHEMA})
        yield connection
