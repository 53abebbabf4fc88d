"""`palio projection`: what services keep of the ledger, compared with it and made anew. For operators."""

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import click
from sqlalchemy import text

from shared.ledger.progress import progress_bar
from shared.ledger.read import head_position
from shared.ledger.read_model import ReadModel, read_models
from shared.ledger.rebuild import RebuildError, compare, rebuild
from shared.owner import owner_engine

T = TypeVar("T")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def projection() -> None:
    """Read models: compare them with the ledger, or make them anew.

    Needs PALIO_OWNER_DATABASE_URL, the database as its owner.
    """


@projection.command("list")
@as_json
def list_(*, as_json: bool) -> None:
    """Name each read model, and how far it is behind the ledger.

    \b
    Example:
      palio projection list
    """
    with owner_engine() as engine, engine.connect() as connection:
        head = head_position(connection)
        # A model that is written with the ledger's own transactions is never behind.
        behind = {
            name: head - int(connection.execute(text(f'SELECT position FROM "{model.schema}".checkpoint')).scalar_one())  # noqa: S608  (our own schema)
            if model.follows
            else 0
            for name, model in read_models().items()
        }
    if as_json:
        click.echo(json.dumps({"head": head, "behind": behind}))
        return
    click.echo(f"The ledger is at position {head:,}.")
    for name, count in behind.items():
        click.echo(f"{name:15}{'up to date' if not count else f'{count:,} behind'}")


@projection.command("rebuild")
@click.argument("name")
@as_json
def rebuild_(name: str, *, as_json: bool) -> None:
    """Make the read model NAME anew from the ledger, beside the one in use, and put it in its place.

    Readers notice nothing; who writes waits for a moment. No mail is sent again. Interrupted, it has changed nothing.

    \b
    Example:
      palio projection rebuild leaderboard
    """
    model = _model(name)
    with owner_engine() as engine, progress_bar(f"making {name} anew") as progress:
        done = _said(partial(rebuild, engine, model, progress))
    if as_json:
        click.echo(json.dumps({"name": name, "position": done.position, "seconds": round(done.seconds, 3)}))
        return
    click.echo(f"{name} is made anew, up to position {done.position:,}, in {done.seconds:.1f} s.")


@projection.command("check")
@click.argument("names", nargs=-1)
@as_json
def check(names: tuple[str, ...], *, as_json: bool) -> None:
    """Make read models anew beside those in use, compare, and throw the new ones away. Exit code 1 if any differs.

    \b
    Examples:
      palio projection check
      palio projection check leaderboard mailer --json
    """
    models = {name: _model(name) for name in names} or read_models()
    found = {}
    with owner_engine() as engine:
        for name, model in models.items():
            with progress_bar(f"comparing {name}") as progress:
                found[name] = _said(partial(compare, engine, model, progress))
    if as_json:
        click.echo(
            json.dumps({name: {"position": each.position, "differences": each.differences} for name, each in found.items()})
        )
    else:
        for name, each in found.items():
            tables = ", ".join(each.differences)
            words = f"differs in {tables}: palio projection rebuild {name}" if tables else "is what the ledger says"
            click.echo(f"{name:15}at position {each.position:,} {words}")
    sys.exit(any(each.differences for each in found.values()))


def _model(name: str) -> ReadModel:
    models = read_models()
    if name not in models:
        raise click.BadParameter(f"there is no read model {name}; there are: {', '.join(models)}")
    return models[name]


def _said(work: Callable[[], T]) -> T:
    try:
        return work()
    except RebuildError as error:
        raise click.ClickException(str(error)) from error
