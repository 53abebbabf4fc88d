"""The database as its owner: for operators' commands, never for a service."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError

OWNER_URL = "PALIO_OWNER_DATABASE_URL"


@contextmanager
def owner_engine() -> Iterator[Engine]:
    """The database that PALIO_OWNER_DATABASE_URL names. A variable that is missing, or no answer, is a `ClickException` in words."""
    if OWNER_URL not in os.environ:
        raise click.ClickException(f"Set {OWNER_URL} to the database as its owner, as for `python -m shared.migrations`.")
    engine = create_engine(os.environ[OWNER_URL], hide_parameters=True, executemany_mode="values_plus_batch")
    try:
        yield engine
    except OperationalError as error:
        # Its words may hold the address; the driver's name for it says what is wrong without that.
        raise click.ClickException(f"the database does not answer, or refuses: {type(error.orig).__name__}") from error
    finally:
        engine.dispose()
