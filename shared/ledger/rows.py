"""The rows that a batch of events changes: changed in memory, and written many to a statement.

A rebuild takes in a million events. A statement each costs a round trip to the database each, which is most of the time that it
takes; rows that several events of a batch change are written once. Handlers read what they wrote, so the result is what it would
be with a statement each.
"""

from collections.abc import Collection, Hashable, Mapping
from typing import Any

from sqlalchemy import Column, Connection, CursorResult, Executable, Table, and_, bindparam, delete, insert, select, update
from sqlalchemy.schema import sort_tables
from sqlalchemy.types import TypeEngine

#: The values of a table's primary key, in its order.
Key = tuple[Hashable, ...]


def key_column(name: str, type_: type[TypeEngine[Any]]) -> Column[Any]:
    """A column of a table's primary key."""
    return Column(name, type_, primary_key=True, autoincrement=False)


def given_column(name: str, type_: TypeEngine[Any] | type[TypeEngine[Any]], default: object = None) -> Column[Any]:
    """A column that is never null."""
    return Column(name, type_, nullable=False, default=default)


class Rows:
    """What the handlers of one batch write, in one transaction. Whoever made it must `flush` it before the commit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tables: dict[Table, _TableRows] = {}

    def get(self, table: Table, key: Key) -> Mapping[str, Any] | None:
        """A row as it is now; None if there is none. Read from the database at most once a batch."""
        return self._of(table).get(key)

    def the(self, table: Table, key: Key) -> Mapping[str, Any]:
        """A row that an earlier event has made. Raises `LookupError` if there is none."""
        row = self.get(table, key)
        if row is None:
            raise LookupError(f"{table.name} has no row {key}")
        return row

    def insert(self, table: Table, **values: Any) -> None:
        """A new row; columns that are not named have their default. Raises `ValueError` if this batch has written one with its key."""
        self._of(table).insert(values)

    def update(self, table: Table, key: Key, **values: Any) -> None:
        """Change a row, if there is one."""
        self._of(table).update(key, values)

    def put(self, table: Table, key: Key, **values: Any) -> None:
        """Change a row, or insert it if there is none."""
        if self.get(table, key) is None:
            self.insert(table, **dict(zip((column.name for column in table.primary_key), key, strict=True)), **values)
        else:
            self.update(table, key, **values)

    def delete(self, table: Table, key: Key) -> None:
        """Remove a row, if there is one."""
        self._of(table).delete(key)

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, *, changes: Collection[Table] | None = None
    ) -> CursorResult[Any]:
        """Any statement, which sees what was written before it: so that is written first, a round trip for each table.

        `changes` names the tables that the statement may change; by default all of them.
        """
        self.flush()
        for table in self._tables.keys() if changes is None else changes:
            self._of(table).forget()
        return self._connection.execute(statement, parameters)

    @property
    def connection(self) -> Connection:
        """The transaction's connection, with everything written to it."""
        self.flush()
        # Whoever uses it may change rows that are known here.
        self._tables.clear()
        return self._connection

    def flush(self) -> None:
        """Write everything. What was read stays known."""
        # A row goes before the one that it refers to, and comes after it.
        ordered = sort_tables(self._tables)
        for table in reversed(ordered):
            self._tables[table].write_deletes()
        for table in ordered:
            self._tables[table].write_changes()

    def _of(self, table: Table) -> "_TableRows":
        if table not in self._tables:
            self._tables[table] = _TableRows(self._connection, table)
        return self._tables[table]


class _TableRows:
    """The rows of one table. A row that is to be inserted, or was read, is whole in `_known`; None stands for "there is none"."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._key_names = tuple(column.name for column in table.primary_key)
        self._defaults = {column.name: column.default.arg if column.default is not None else None for column in table.columns}  # type: ignore[attr-defined]
        self._has_key = and_(*(table.c[name] == bindparam(f"key_{name}") for name in self._key_names))
        self._select = select(table).where(self._has_key)
        self._known: dict[Key, dict[str, Any] | None] = {}
        self._inserts: dict[Key, dict[str, Any]] = {}
        self._updates: dict[Key, dict[str, Any]] = {}
        self._deletes: set[Key] = set()

    def get(self, key: Key) -> Mapping[str, Any] | None:
        if key not in self._known:
            row = self._connection.execute(self._select, self._bound(key)).mappings().one_or_none()
            self._known[key] = None if row is None else {**row, **self._updates.get(key, {})}
        return self._known[key]

    def insert(self, values: Mapping[str, Any]) -> None:
        row = {**self._defaults, **_storable(values)}
        key = tuple(row[name] for name in self._key_names)
        if self._known.get(key) is not None:
            raise ValueError(f"{self._table.name} has a row {key} already")
        if key in self._deletes:
            self.write_deletes()
        self._known[key] = self._inserts[key] = row

    def update(self, key: Key, values: Mapping[str, Any]) -> None:
        known = self._known.get(key, {})
        if known is None:
            return
        storable = _storable(values)
        known.update(storable)
        if key not in self._inserts:
            self._updates.setdefault(key, {}).update(storable)

    def delete(self, key: Key) -> None:
        # A row that was never written need not be removed.
        if self._inserts.pop(key, None) is None and self._known.get(key, {}) is not None:
            self._updates.pop(key, None)
            self._deletes.add(key)
        self._known[key] = None

    def forget(self) -> None:
        """Read rows again. Everything must have been written."""
        self._known.clear()

    def write_deletes(self) -> None:
        if self._deletes:
            self._connection.execute(delete(self._table).where(self._has_key), [self._bound(key) for key in self._deletes])
            self._deletes.clear()

    def write_changes(self) -> None:
        by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for key, values in self._updates.items():
            by_columns.setdefault(tuple(values), []).append({**values, **self._bound(key)})
        for columns, changes in by_columns.items():
            changed: dict[str, Any] = {name: bindparam(name) for name in columns}
            self._connection.execute(update(self._table).where(self._has_key).values(changed), changes)
        if self._inserts:
            self._connection.execute(insert(self._table), list(self._inserts.values()))
        self._updates.clear()
        self._inserts.clear()

    def _bound(self, key: Key) -> dict[str, Any]:
        return {f"key_{name}": value for name, value in zip(self._key_names, key, strict=True)}


def _storable(values: Mapping[str, Any]) -> dict[str, Any]:
    # PostgreSQL's texts hold no NUL, JSON's do: one in a reason must not stop every board.
    return {name: value.replace("\0", "\ufffd") if isinstance(value, str) else value for name, value in values.items()}
