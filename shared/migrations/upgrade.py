"""Runs the migrations of every schema, in an order that lets a service's schema refer to the ledger and the vault."""

from collections.abc import Mapping
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from shared.events import EVENT_TYPES
from shared.migrations.roles import OWNER_ROLE, SERVICES, create_roles, role_of

ROOT = Path(__file__).resolve().parents[2]

#: Two operators who migrate at once wait for each other. Any number that nothing else in this database uses.
MIGRATION_LOCK = 7_226_001


def migration_folders() -> dict[str, Path]:
    """Each schema with the folder of its migrations, in the order to run them.

    Services are found as folders, not imported: `shared` knows no service.
    """
    folders = {"ledger": ROOT / "shared/ledger/migrations", "vault": ROOT / "shared/vault/migrations"}
    for folder in sorted(ROOT.glob("services/*/migrations")):
        folders[folder.parent.name] = folder
    return folders


def upgrade_database(owner: Engine, passwords: Mapping[str, str]) -> None:
    """Bring roles, schemas and privileges to this release, in one transaction: all of it or nothing."""
    with owner.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        create_roles(connection, passwords)
        upgrade_schemas(connection)


def upgrade_schemas(connection: Connection) -> None:
    """Bring schemas and privileges to this release, where the roles are there already."""
    for schema, folder in migration_folders().items():
        upgrade_schema(connection, schema, folder)
        if schema in SERVICES:
            allow_tables(connection, schema, schema)
    _allow_appends(connection)


def upgrade_schema(connection: Connection, schema: str, folder: Path, revision: str = "head") -> None:
    """Make a schema with the tables of a folder's migrations, or bring it up to date, or up to a revision.

    The migrations of a service name no schema, so that its tables can be made a second time, beside those in use.
    """
    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}" AUTHORIZATION {OWNER_ROLE}'))
    connection.execute(text(f"SET LOCAL ROLE {OWNER_ROLE}"))
    connection.execute(text(f'SET LOCAL search_path = "{schema}"'))
    config = _config(folder)
    config.attributes.update(connection=connection, schema=schema)
    command.upgrade(config, revision)
    connection.execute(text("RESET search_path"))
    connection.execute(text("RESET ROLE"))


def allow_tables(connection: Connection, schema: str, service: str) -> None:
    """Let a service read and write the tables of a schema, which is its own. What is migrated, only the owner says."""
    role = role_of(service)
    connection.execute(text(f'GRANT USAGE ON SCHEMA "{schema}" TO {role}'))
    connection.execute(text(f'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{schema}" TO {role}'))
    connection.execute(text(f'REVOKE ALL ON "{schema}".schema_version FROM {role}'))


def knows_revision(folder: Path, revision: str) -> bool:
    """Whether a folder of migrations has this revision; not so for one of a later release."""
    return revision in {script.revision for script in ScriptDirectory.from_config(_config(folder)).walk_revisions()}


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("version_locations", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")  # a folder's name may hold spaces or colons
    return config


def _allow_appends(connection: Connection) -> None:
    """Make the ledger's list of who may append what equal to what the event types say."""
    pairs = [
        {"role": role_of(service), "type": name} for name, event_type in EVENT_TYPES.items() for service in event_type.appended_by
    ]
    connection.execute(text("DELETE FROM ledger.appenders"))
    connection.execute(text("INSERT INTO ledger.appenders (role, type) VALUES (:role, :type)"), pairs)
