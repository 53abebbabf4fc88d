"""A migrated database for each test, copied from one that was migrated once."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from shared.migrations.upgrade import upgrade_database
from tests.support.servers import Servers


@contextmanager
def migrated_database(servers: Servers) -> Iterator[str]:
    """A database with all schemas, to be copied; its name."""
    with empty_database(servers) as name:
        owner = create_engine(servers.owner_url(name), poolclass=NullPool, hide_parameters=True)
        upgrade_database(owner, servers.database_passwords)
        yield name


@contextmanager
def copied_database(servers: Servers, template: str) -> Iterator[str]:
    """A copy of a database to which nobody is connected; its name."""
    with _database(servers, f'TEMPLATE "{template}"') as name:
        yield name


@contextmanager
def empty_database(servers: Servers) -> Iterator[str]:
    """A database with nothing in it; its name."""
    with _database(servers, "") as name:
        yield name


@contextmanager
def _database(servers: Servers, options: str) -> Iterator[str]:
    name = f"palio_test_{uuid4().hex[:12]}"
    superuser = create_engine(servers.superuser_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with superuser.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" {options}'))
    try:
        yield name
    finally:
        with superuser.connect() as connection:
            # Whoever is still connected, such as a service that a test killed, must not keep it.
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
