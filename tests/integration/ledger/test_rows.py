"""Rows that are changed in memory and written together: what stands in the database is what a statement each would have left."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Engine, ForeignKey, Integer, MetaData, Table, Text, event, select, text
from sqlalchemy.exc import IntegrityError

import services.leaderboard.tables
import services.orchestrator.tables
import services.scorer.tables
from shared.ledger import Rows, given_column, key_column
from shared.ledger.rows import Key

TABLES = MetaData()
PARENTS = Table("parents", TABLES, key_column("parent", Integer), given_column("count", Integer, default=0), Column("word", Text))
CHILDREN = Table(
    "children",
    TABLES,
    Column("parent", Integer, ForeignKey("parents.parent", ondelete="CASCADE"), primary_key=True),
    key_column("number", Integer),
    Column("word", Text),
)
#: What may be done: to which table, with which key, and how.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "update", "put", "delete", "read", "execute", "flush"]),
        st.integers(min_value=0, max_value=2),
        st.one_of(st.none(), st.integers(min_value=0, max_value=2)),
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=3),
    ),
    max_size=25,
)


@pytest.fixture
def connection(owner: Engine) -> Iterator[Connection]:
    with owner.connect() as connection:
        TABLES.create_all(connection)
        yield connection


@contextmanager
def counted(connection: Connection) -> Iterator[list[str]]:
    """The statements that reach the database."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(connection, "before_cursor_execute", note)


def stored(connection: Connection) -> dict[tuple[Any, ...], str | None]:
    parents = {(row.parent, None): row.word for row in connection.execute(select(PARENTS))}
    return parents | {(row.parent, row.number): row.word for row in connection.execute(select(CHILDREN))}


class Beside:
    """Rows, and what a statement each would have left: by place, which is a parent or one of its children, the word there."""

    def __init__(self, connection: Connection) -> None:
        self.rows = Rows(connection)
        self.expected: dict[tuple[int, int | None], str] = {}

    def insert(self, parent: int, number: int | None, word: str) -> None:
        if (parent, number) not in self.expected and self._may_be(parent, number):
            table, key = _place(parent, number)
            self.rows.insert(table, **_named(table, key), word=word)
            self.expected[parent, number] = word

    def update(self, parent: int, number: int | None, word: str) -> None:
        self.rows.update(*_place(parent, number), word=word)
        if (parent, number) in self.expected:
            self.expected[parent, number] = word

    def put(self, parent: int, number: int | None, word: str) -> None:
        if self._may_be(parent, number):
            self.rows.put(*_place(parent, number), word=word)
            self.expected[parent, number] = word

    def delete(self, parent: int, number: int | None, _word: str) -> None:
        # As handlers do: first what belongs to it.
        belongs = [place for place in self.expected if number is None and place[0] == parent and place[1] is not None]
        for place in (*belongs, (parent, number)):
            self.rows.delete(*_place(*place))
            self.expected.pop(place, None)

    def read(self, parent: int, number: int | None, _word: str) -> None:
        row = self.rows.get(*_place(parent, number))
        assert (row and row["word"]) == self.expected.get((parent, number))

    def execute(self, _parent: int, _number: int | None, word: str) -> None:
        self.rows.execute(text("UPDATE parents SET word = :word"), {"word": word}, changes=(PARENTS,))
        self.expected |= {place: word for place in self.expected if place[1] is None}

    def flush(self, _parent: int, _number: int | None, _word: str) -> None:
        self.rows.flush()

    def _may_be(self, parent: int, number: int | None) -> bool:
        return number is None or (parent, None) in self.expected


def _place(parent: int, number: int | None) -> tuple[Table, Key]:
    return (PARENTS, (parent,)) if number is None else (CHILDREN, (parent, number))


def _named(table: Table, key: Key) -> dict[str, Any]:
    return dict(zip((column.name for column in table.primary_key), key, strict=True))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_done_the_database_holds_what_one_statement_each_would_have_left(
    connection: Connection, steps: list[tuple[str, int, int | None, str]]
) -> None:
    with connection.begin_nested() as savepoint:
        beside = Beside(connection)
        for step, parent, number, word in steps:
            getattr(beside, step)(parent, number, word)
        assert stored(beside.rows.connection) == beside.expected
        savepoint.rollback()


def test_what_postgresql_can_not_store_is_replaced(connection: Connection) -> None:
    rows = Rows(connection)
    rows.insert(PARENTS, parent=1, word="a\0b")
    assert stored(rows.connection) == {(1, None): "a\ufffdb"}


def test_many_rows_are_written_in_one_statement_a_table(connection: Connection) -> None:
    rows = Rows(connection)
    with counted(connection) as statements:
        for parent in range(100):
            rows.insert(PARENTS, parent=parent)
            rows.update(PARENTS, (parent,), word="once")
            rows.update(PARENTS, (parent,), word="twice")
            rows.insert(CHILDREN, parent=parent, number=1)
        assert statements == []
        rows.flush()
    assert len(statements) == 2
    assert set(stored(connection).values()) == {"twice", None}


def test_a_row_that_comes_and_goes_within_a_batch_is_never_written(connection: Connection) -> None:
    rows = Rows(connection)
    with counted(connection) as statements:
        rows.insert(PARENTS, parent=1)
        rows.delete(PARENTS, (1,))
        rows.flush()
    assert statements == []


def test_a_row_is_read_once(connection: Connection) -> None:
    rows = Rows(connection)
    rows.insert(PARENTS, parent=1, word="there")
    rows = Rows(rows.connection)
    with counted(connection) as statements:
        for _ in range(3):
            assert rows.the(PARENTS, (1,))["word"] == "there"
            assert rows.get(PARENTS, (2,)) is None
    assert len(statements) == 2
    with pytest.raises(LookupError, match=r"parents has no row \(2,\)"):
        rows.the(PARENTS, (2,))


def test_the_same_row_twice_is_an_error(connection: Connection) -> None:
    rows = Rows(connection)
    rows.insert(PARENTS, parent=1)
    with pytest.raises(ValueError, match=r"parents has a row \(1,\) already"):
        rows.insert(PARENTS, parent=1)
    rows.flush()
    again = Rows(connection)
    again.insert(PARENTS, parent=1)
    with pytest.raises(IntegrityError):
        again.flush()


@pytest.mark.parametrize(
    "tables",
    [services.leaderboard.tables, services.orchestrator.tables, services.scorer.tables],
    ids=["leaderboard", "orchestrator", "scorer"],
)
def test_tables_in_code_are_those_of_the_migrations(owner: Engine, tables: ModuleType) -> None:
    schema = tables.__name__.split(".")[1]
    with owner.connect() as connection:
        connection.execute(text("SELECT set_config('search_path', :schema, true)"), {"schema": schema})
        connection.dialect.default_schema_name = schema
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        differences = compare_metadata(context, tables.TABLES)
    unknown = {"checkpoint", "schema_version", "dead_letters"}
    assert [
        each
        for each in differences
        # Indexes are the migrations' alone: no handler needs to know of them.
        if not (
            isinstance(each, tuple) and (each[0] == "remove_index" or (each[0] == "remove_table" and each[1].name in unknown))
        )
    ] == []
