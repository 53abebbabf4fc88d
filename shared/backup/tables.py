"""The database's part: every table of our schemas, by COPY, out of one snapshot and into tables of the same revision.

No program of PostgreSQL's is needed: the operator's host may have none, or one of another version than the server.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import zstandard
from psycopg2 import sql
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from shared.backup.folder import OpenBackupFolder
from shared.backup.manifest import BackupTable, Manifest
from shared.backup.words import BackupError, Progress
from shared.migrations.upgrade import MIGRATION_LOCK, migration_folders

#: What alembic keeps: the revision is in the manifest instead.
_VERSION_TABLE = "schema_version"
#: A migration, or a read model being made anew: so long they are waited for.
LOCK_TIMEOUT = "10min"
#: How values are written as text, whatever the server or the role prefers.
_TEXT_FORM = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "client_encoding": "UTF8",
}
# Generated columns can't be filled; there are none, and a test says so of sequences.
_COLUMNS = text("""
    SELECT c.relname AS table_name, array_agg(CAST(a.attname AS text) ORDER BY a.attnum) AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = CAST(:schema AS regnamespace) AND c.relkind = 'r' AND c.relname <> :left_out
    GROUP BY c.relname ORDER BY c.relname
""")
_REFERENCES = text("""
    SELECT CAST(n.nspname AS text) AS schema, CAST(c.relname AS text) AS table_name,
        CAST(m.nspname AS text) AS to_schema, CAST(f.relname AS text) AS to_table
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace m ON m.oid = f.relnamespace
    WHERE k.contype = 'f' AND n.nspname = ANY(:schemas) AND k.conrelid <> k.confrelid
""")

Table = tuple[str, str]


@dataclass(frozen=True)
class Head:
    """Where the ledger of a snapshot ends, and how it begins."""

    platform: str
    epoch: int
    position: int
    hash: str


@contextmanager
def snapshot(owner: Engine) -> Iterator[Connection]:
    """A view of the whole database at one moment. Writers go on; migrations and rebuilds of read models wait until it ends.

    They must: a COPY names its table, and names are looked up as of now. A read model that took the place of another one after the
    snapshot was taken would be copied as empty.
    """
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as held:
        try:
            _set(held, {"lock_timeout": LOCK_TIMEOUT})
            held.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": MIGRATION_LOCK})
            for schema in migration_folders():
                lock = text("SELECT pg_advisory_lock_shared(hashtext('palio.rebuild'), hashtext(:schema))")
                held.execute(lock, {"schema": schema})
            # After the locks: its first statement fixes what it sees.
            with owner.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
                _set(connection, {**_TEXT_FORM, "lock_timeout": LOCK_TIMEOUT, "idle_in_transaction_session_timeout": "0"})
                yield connection
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) == "55P03":
                raise BackupError(
                    "a migration or a rebuild of a read model has gone on for ten minutes; try again after it"
                ) from error
            raise
        finally:
            # Closed for real: the pool must not keep the locks.
            held.invalidate()


def head_of(connection: Connection) -> Head:
    """Raises `BackupError` for a database without a ledger, or with an empty one."""
    if connection.execute(text("SELECT to_regclass('ledger.events')")).scalar_one() is None:
        raise BackupError("this database holds no platform: does PALIO_OWNER_DATABASE_URL name the right one?")
    head = connection.execute(text("SELECT epoch, position, encode(hash, 'hex') AS hash FROM ledger.head")).one()
    if head.position == 0:
        raise BackupError("the ledger is empty: there is nothing to back up yet")
    first = connection.execute(text("SELECT encode(hash, 'hex') FROM ledger.events WHERE position = 1")).scalar_one()
    return Head(first, head.epoch, head.position, head.hash)


def revisions(connection: Connection) -> dict[str, str]:
    """Each schema's revision."""
    return {
        schema: str(connection.execute(text(f'SELECT version_num FROM "{schema}".{_VERSION_TABLE}')).scalar_one())  # noqa: S608  (our own schemas)
        for schema in migration_folders()
        if connection.execute(text("SELECT to_regclass(:name)"), {"name": f"{schema}.{_VERSION_TABLE}"}).scalar_one() is not None
    }


def copy_out(connection: Connection, schemas: Sequence[str], folder: OpenBackupFolder) -> Iterator[BackupTable]:
    """Write every table of some schemas to a file each."""
    progress = Progress("tables copied")
    total = 0
    for number, ((schema, table), columns) in enumerate(_tables(connection, schemas).items(), start=1):
        # The chain is checked in order, as the file is read.
        order = sql.SQL(" ORDER BY position") if (schema, table) == ("ledger", "events") else sql.SQL("")
        query = sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT WITH (FORMAT csv)").format(
            _names(columns), sql.Identifier(schema, table), order
        )
        cursor = _cursor(connection)
        with (
            folder.unfinished_file(f"{schema}.{table}.csv.zst") as file,
            zstandard.ZstdCompressor().stream_writer(file, closefd=False) as compressed,  # type: ignore[arg-type]
        ):
            cursor.copy_expert(query, compressed)
        total += file.size
        progress.done(number, total)
        yield BackupTable(
            name=file.path.name,
            sha256=file.sha256,
            size=file.size,
            schema_name=schema,
            table=table,
            columns=tuple(columns),
            rows=cursor.rowcount,
        )


def copy_in(connection: Connection, manifest: Manifest, backup: Path) -> None:
    """Fill tables that the migrations of the manifest's revisions have just made. Raises `BackupError` if these are others."""
    _set(connection, _TEXT_FORM)
    tables = _tables(connection, list(manifest.revisions))
    files = {(each.schema_name, each.table): each for each in manifest.tables}
    if {name: set(columns) for name, columns in tables.items()} != {name: set(each.columns) for name, each in files.items()}:
        raise BackupError(
            "the tables of this backup are not those of the revisions that it names: it is damaged; take another one"
        )
    cursor = _cursor(connection)
    # Migrations put rows of their own into some. All at once, since they refer to each other.
    cursor.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(sql.Identifier(*name) for name in tables)))
    progress = Progress("tables filled")
    for number, name in enumerate(_in_order(connection, tables), start=1):
        file = files[name]
        query = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv)").format(sql.Identifier(*name), _names(file.columns))
        with (backup / file.name).open("rb") as opened, zstandard.ZstdDecompressor().stream_reader(opened) as rows:
            cursor.copy_expert(query, rows)
        if cursor.rowcount != file.rows:
            raise BackupError(
                f"{file.name} holds {cursor.rowcount:,} rows, not {file.rows:,}: it is damaged; take another backup"
            )
        progress.done(number)


def _tables(connection: Connection, schemas: Sequence[str]) -> dict[Table, list[str]]:
    return {
        (schema, row.table_name): row.columns
        for schema in schemas
        for row in connection.execute(_COLUMNS, {"schema": schema, "left_out": _VERSION_TABLE})
    }


def _in_order(connection: Connection, tables: Mapping[Table, object]) -> list[Table]:
    """Tables before those that refer to them."""
    before: dict[Table, set[Table]] = {name: set() for name in tables}
    for row in connection.execute(_REFERENCES, {"schemas": list({schema for schema, _ in tables})}):
        before[row.schema, row.table_name].add((row.to_schema, row.to_table))
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError as error:
        raise BackupError(f"tables refer to each other in a circle, which restore cannot fill: {error.args[1]}") from error


def _set(connection: Connection, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        connection.execute(
            text("SELECT set_config(:name, :value, :here_only)"), {"name": name, "value": value, "here_only": False}
        )


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _cursor(connection: Connection) -> Any:
    """psycopg2's own, which can COPY."""
    return connection.connection.cursor()
