"""`palio appoint NAME`: make a registered person an administrator. For the operator of the machine."""

import click
from pydantic import ValidationError

from services.ingest.accounts import appoint_administrator
from shared.database import make_engine
from shared.settings import DatabaseSettings


@click.command()
@click.argument("name")
def appoint(name: str) -> None:
    """Make the registered person NAME an administrator.

    Needs PALIO_DATABASE_URL with the role of ingest.

    \b
    Example:
      palio appoint ada
    """
    try:
        settings = DatabaseSettings()
    except ValidationError as error:
        raise click.ClickException(
            "Set PALIO_DATABASE_URL to the database in the role of ingest; script/up writes it into operator.env."
        ) from error
    try:
        appointed = appoint_administrator(make_engine(settings), name)
    except LookupError as error:
        raise click.ClickException(f"{error}; register first: palio register") from error
    click.echo(f"{name} is {'now' if appointed else 'already'} an administrator")


if __name__ == "__main__":
    appoint()
