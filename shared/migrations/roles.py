"""Database roles: one a service, with nothing but what the migrations grant, and the owner of the tables, who can't log in."""

from collections.abc import Mapping

from psycopg2 import sql
from sqlalchemy import Connection

OWNER_ROLE = "palio_owner"
#: Services that reach the database. A trainer does not.
SERVICES = ("ingest", "relay", "orchestrator", "scorer", "leaderboard", "mailer")

#: A service that holds the ledger's head and then freezes loses its transaction after this, and others go on.
SESSION_LIMITS = {"idle_in_transaction_session_timeout": "10s", "lock_timeout": "10s"}


def role_of(service: str) -> str:
    """The database role of a service."""
    return f"palio_{service}"


def create_roles(connection: Connection, passwords: Mapping[str, str]) -> None:
    """Create the roles, or set their passwords anew. `passwords` by service; none of them reaches a log.

    A connection of a role that may create roles is needed.
    """
    cursor = connection.connection.cursor()
    _create_if_missing(cursor, OWNER_ROLE, login=False)
    cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(OWNER_ROLE)))
    for service in SERVICES:
        role = sql.Identifier(role_of(service))
        _create_if_missing(cursor, role_of(service), login=True)
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD %s").format(role), [passwords[service]])
        # Its statements name no schema: they mean its own.
        for name, value in {**SESSION_LIMITS, "search_path": service}.items():
            cursor.execute(sql.SQL("ALTER ROLE {} SET {} = %s").format(role, sql.Identifier(name)), [value])


def _create_if_missing(cursor: object, role: str, *, login: bool) -> None:
    cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])  # type: ignore[attr-defined]
    if cursor.rowcount == 0:  # type: ignore[attr-defined]
        option = sql.SQL("LOGIN" if login else "NOLOGIN")
        cursor.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(role), option))  # type: ignore[attr-defined]
