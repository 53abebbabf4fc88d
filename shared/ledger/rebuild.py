"""Making a read model anew from the ledger, beside the one in use; comparing the two, or putting it in the other's place.

The new one is made by the handlers that keep the old one up to date, in a schema of its own. It takes the old one's place in one
transaction, which changes two names; readers see the one or the other. While it does, nobody writes: the tables of the old one
are locked against writers, who wait, and go on in the new one. Whatever dies at any moment leaves the old one in use, or the new
one; a schema left over is removed by the next run.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from shared.ledger.progress import Progress
from shared.ledger.projection import Projection
from shared.ledger.read import head_position
from shared.ledger.read_model import ReadModel
from shared.migrations.upgrade import allow_tables, upgrade_schema
from shared.telemetry import Readiness

#: Rows that many events change are read and written once a batch; what it holds in memory is some tens of MB.
BATCH = 10_000
#: Writers are asked to wait for no longer than this, several times.
LOCK_TIMEOUT_S = 5
LOCK_TRIES = 6
#: One hash of all rows, whatever their order.
_HASH_OF_ROWS = (
    "SELECT encode(sha256(coalesce(string_agg(hash, CAST('' AS bytea) ORDER BY hash), CAST('' AS bytea))), 'hex')"
    ' FROM (SELECT sha256(convert_to(CAST({row} AS text), \'UTF8\')) AS hash FROM "{schema}"."{table}") AS hashed'
)
_NOT_COMPARED = frozenset({"schema_version", "checkpoint"})


class RebuildError(Exception):
    """It can't be done now; the text says what to do."""


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild took in."""

    position: int
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """A read model in use beside one made anew up to the same position: a hash for each table."""

    position: int
    in_use: dict[str, str]
    made_anew: dict[str, str]

    @property
    def differences(self) -> list[str]:
        """The tables that are not the same."""
        return sorted(table for table in self.in_use | self.made_anew if self.in_use.get(table) != self.made_anew.get(table))


def rebuild(owner: Engine, model: ReadModel, progress: Progress) -> Rebuilt:
    """Make a read model anew, and put it in the place of the one in use. Raises `RebuildError`, and then nothing has changed."""
    started = time.monotonic()
    with _one_at_a_time(owner, model), _made_beside(owner, model) as new:
        _catch_up(owner, new, progress)
        for number in range(1, LOCK_TRIES + 1):
            try:
                position = _replace(owner, model, new, progress)
                break
            except OperationalError as error:
                # A writer that holds on to its tables, or a deadlock with one.
                if number == LOCK_TRIES:
                    raise RebuildError(f"the tables of {model.schema} are always in use; try again later") from error
    return Rebuilt(position, time.monotonic() - started)


def compare(owner: Engine, model: ReadModel, progress: Progress) -> Comparison:
    """Make a read model anew, up to where the one in use is, and compare them; the new one is dropped. Raises `RebuildError`."""
    with _one_at_a_time(owner, model), _made_beside(owner, model) as new:
        with owner.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            # One snapshot: the checkpoint, or the ledger's head, belongs to these rows.
            position = _position(connection, model, model.schema)
            in_use = _hashes(connection, model, model.schema)
        _catch_up(owner, new, progress, until=position)
        with owner.connect() as connection:
            made_anew = _hashes(connection, model, new.schema)
    return Comparison(position, in_use, made_anew)


@contextmanager
def _one_at_a_time(owner: Engine, model: ReadModel) -> Iterator[None]:
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        taken = text("SELECT pg_try_advisory_lock(hashtext('palio.rebuild'), hashtext(:schema))")
        if not connection.execute(taken, {"schema": model.schema}).scalar_one():
            raise RebuildError(f"{model.schema} is being made anew, compared or backed up already; wait until that is done")
        try:
            yield
        finally:
            # Given back here, since the server hears of a closed connection a moment later, and the next run may come before.
            with suppress(DBAPIError):
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
            # And closed for real: the pool must not keep the lock.
            connection.invalidate()


@contextmanager
def _made_beside(owner: Engine, model: ReadModel) -> Iterator[Projection]:
    """An empty schema beside the one in use, as a projection; dropped at the end if it is still there."""
    beside = f"{model.schema}_made_anew"
    with owner.begin() as connection:
        _drop(connection, beside)
        upgrade_schema(connection, beside, model.migrations)
        allow_tables(connection, beside, model.schema)
        if not model.follows:
            connection.execute(text(f'CREATE TABLE "{beside}".checkpoint AS SELECT CAST(0 AS bigint) AS position'))
    try:
        yield Projection(beside, owner, model.handlers, Readiness(), batch=BATCH)
    finally:
        with owner.begin() as connection:
            _drop(connection, beside)


def _catch_up(owner: Engine, new: Projection, progress: Progress, until: int | None = None) -> int:
    with owner.connect() as connection:
        goal = head_position(connection) if until is None else until
    while (position := new.take_in(until=goal)) < goal:
        progress(position, goal)
    progress(position, goal)
    return position


def _replace(owner: Engine, model: ReadModel, new: Projection, progress: Progress) -> int:
    replaced = f"{model.schema}_replaced"
    with owner.begin() as connection:
        _drop(connection, replaced)
    with owner.begin() as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'"))
        tables = ", ".join(f'"{model.schema}"."{table}"' for table in _tables(connection, model.schema))
        # Readers go on. A writer that waits here looks its table up again, by name, when this is over.
        connection.execute(text(f"LOCK TABLE {tables} IN EXCLUSIVE MODE"))
        # Writers have committed, so the ledger holds whatever the old one was made from; the new one must not be behind it.
        position = _catch_up(owner, new, progress)
        _keep_own(connection, model, new.schema)
        if not model.follows:
            connection.execute(text(f'DROP TABLE "{new.schema}".checkpoint'))
        connection.execute(text(f'ALTER SCHEMA "{model.schema}" RENAME TO "{replaced}"'))
        connection.execute(text(f'ALTER SCHEMA "{new.schema}" RENAME TO "{model.schema}"'))
    # Apart, since it waits for readers of the old one.
    with owner.begin() as connection:
        _drop(connection, replaced)
    return position


def _keep_own(connection: Connection, model: ReadModel, new: str) -> None:
    for table, own in model.own_columns.items():
        values = ", ".join(f"{column} = o.{column}" for column in own.columns)
        connection.execute(
            text(f'UPDATE "{new}".{table} n SET {values} FROM "{model.schema}".{table} o WHERE o.{own.key} = n.{own.key}')  # noqa: S608  (names of ours)
        )
    for table in model.own_tables:
        connection.execute(text(f'INSERT INTO "{new}".{table} SELECT * FROM "{model.schema}".{table}'))  # noqa: S608  (names of ours)


def _position(connection: Connection, model: ReadModel, schema: str) -> int:
    if not model.follows:
        return head_position(connection)
    return int(connection.execute(text(f'SELECT position FROM "{schema}".checkpoint')).scalar_one())  # noqa: S608  (our own schema)


def _tables(connection: Connection, schema: str) -> list[str]:
    statement = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema ORDER BY tablename")
    return list(connection.execute(statement, {"schema": schema}).scalars())


def _hashes(connection: Connection, model: ReadModel, schema: str) -> dict[str, str]:
    """By table: a hash of its rows, whatever their order, without what is the service's own."""
    connection.execute(text("SET LOCAL TimeZone = 'UTC'"))
    hashes = {}
    for table in _tables(connection, schema):
        if table in _NOT_COMPARED or table in model.own_tables:
            continue
        own = model.own_columns[table].columns if table in model.own_columns else ()
        names = connection.execute(
            text(
                "SELECT quote_ident(column_name) FROM information_schema.columns WHERE table_schema = :schema AND table_name = :table"
                " AND NOT column_name = ANY(:own) ORDER BY column_name"
            ),
            {"schema": schema, "table": table, "own": list(own)},
        ).scalars()
        statement = _HASH_OF_ROWS.format(row=f"ROW({', '.join(names)})", schema=schema, table=table)
        hashes[table] = connection.execute(text(statement)).scalar_one()
    return hashes


def _drop(connection: Connection, schema: str) -> None:
    connection.execute(text(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'))
