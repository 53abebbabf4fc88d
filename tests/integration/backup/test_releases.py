"""Backups of earlier releases, and what keeps later ones restorable."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from shared.backup.tables import revisions
from shared.events import Metadata
from shared.ledger import NewEvent, append
from shared.migrations.upgrade import migration_folders, upgrade_schema
from tests.support.backups import Place, operator
from tests.support.databases import _database
from tests.support.goldens import golden
from tests.support.servers import Servers

#: What restore can't fill, or would not set: a table that needs one is a reason to teach it that.
SEQUENCES = text(
    "SELECT CAST(oid AS regclass) FROM pg_class WHERE relkind IN ('S', 'p', 'v', 'm', 'f') AND relnamespace = ANY(:schemas)"
)
GENERATED = text("SELECT CAST(attrelid AS regclass) FROM pg_attribute WHERE attgenerated <> '' OR attidentity <> ''")
SCHEMAS = text("SELECT oid FROM pg_namespace WHERE nspname = ANY(:names)")


def test_a_backup_of_an_earlier_release_is_restored_and_brought_up_to_date(
    servers: Servers, template_database: str, elsewhere: Place, owner_elsewhere: Engine, folder: Path
) -> None:
    with owner_elsewhere.connect() as connection:
        newest = revisions(connection)
    with _database(servers, "") as name:
        early = create_engine(servers.owner_url(name), poolclass=NullPool)
        with early.begin() as connection:
            for schema, migrations in migration_folders().items():
                upgrade_schema(connection, schema, migrations, "0001")
            connection.execute(text("INSERT INTO ledger.appenders VALUES (session_user, 'MailSent')"))
            append(connection, [NewEvent(golden("MailSent"), Metadata(correlation_id="early"))])
        with early.connect() as connection:
            assert set(revisions(connection).values()) == {"0001"}
        made = operator(servers, name).run("backup", folder)
        assert made.exit_code == 0, made.output
    restored = elsewhere.run("restore", folder)
    assert restored.exit_code == 0, restored.output
    with owner_elsewhere.connect() as connection:
        assert revisions(connection) == newest
        assert connection.execute(text("SELECT position FROM ledger.head")).scalar_one() == 1
        # The newest release's, not the backup's.
        assert connection.execute(text("SELECT count(*) FROM ledger.appenders WHERE role = session_user")).scalar_one() == 0


def test_the_platform_keeps_nothing_that_a_backup_would_miss(owner: Engine) -> None:
    with owner.connect() as connection:
        schemas = list(connection.execute(SCHEMAS, {"names": list(migration_folders())}).scalars())
        assert len(schemas) == len(migration_folders())
        assert connection.execute(SEQUENCES, {"schemas": schemas}).scalars().all() == []
        assert connection.execute(GENERATED).scalars().all() == []


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_database_that_holds_nothing_is_told_from_a_platform(
    command: str, servers: Servers, template_database: str, folder: Path
) -> None:
    with _database(servers, "") as name:
        result = operator(servers, name).run(command, folder)
    assert result.exit_code == 1
    assert ("holds no platform" if command == "backup" else "holds no backups of Palio") in result.stderr
