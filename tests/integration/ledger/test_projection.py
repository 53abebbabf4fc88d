"""Projections of a real ledger: live, late, stopped by a version they do not know."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from shared.events import AdministratorAppointed, Metadata, NewerVersionError, RecordedEvent
from shared.ledger import NewEvent, Projection, append, head_position
from shared.telemetry import Readiness

METADATA = Metadata(correlation_id="a test")


@pytest.fixture
def schema(owner: Engine) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    with owner.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
        connection.execute(text(f"CREATE TABLE {name}.checkpoint (position bigint NOT NULL)"))
        connection.execute(text(f"INSERT INTO {name}.checkpoint VALUES ((SELECT position FROM ledger.head))"))
        connection.execute(text(f"CREATE TABLE {name}.appointed (user_id uuid PRIMARY KEY)"))
    yield name
    with owner.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def make_projection(schema: str, owner: Engine, readiness: Readiness) -> Callable[[], Projection]:
    def when_appointed(connection: Connection, event: AdministratorAppointed, _recorded: RecordedEvent) -> None:
        connection.execute(text(f"INSERT INTO {schema}.appointed VALUES (:user_id)"), {"user_id": event.user_id})

    return lambda: Projection(schema, owner, {AdministratorAppointed: when_appointed}, readiness, batch=10)


def append_some(engine: Engine, count: int) -> None:
    with engine.begin() as connection:
        append(connection, [NewEvent(AdministratorAppointed(user_id=uuid4()), METADATA) for _ in range(count)])


def rows(owner: Engine, schema: str) -> int:
    with owner.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {schema}.appointed")).scalar_one())


def test_catching_up_takes_every_event_once_across_batches(
    make_projection: Callable[[], Projection], schema: str, owner: Engine, engine_of: Callable[[str], Engine]
) -> None:
    append_some(engine_of("ingest"), 25)
    projection = make_projection()
    position = projection.catch_up()
    with owner.connect() as connection:
        assert position == head_position(connection) == projection.position()
    assert rows(owner, schema) == 25
    projection.catch_up()
    make_projection().catch_up()
    assert rows(owner, schema) == 25


def test_a_handler_that_fails_leaves_rows_and_checkpoint_as_they_were(
    schema: str, owner: Engine, engine_of: Callable[[str], Engine], readiness: Readiness
) -> None:
    def insert_then_fail(connection: Connection, event: AdministratorAppointed, _recorded: RecordedEvent) -> None:
        connection.execute(text(f"INSERT INTO {schema}.appointed VALUES (:user_id)"), {"user_id": event.user_id})
        raise ZeroDivisionError

    projection = Projection(schema, owner, {AdministratorAppointed: insert_then_fail}, readiness)
    before = projection.position()
    append_some(engine_of("ingest"), 1)
    with pytest.raises(ZeroDivisionError):
        projection.catch_up()
    assert (projection.position(), rows(owner, schema)) == (before, 0)


def test_a_newer_version_of_a_known_event_stops_the_projection_there_and_shows_red(
    make_projection: Callable[[], Projection],
    schema: str,
    owner: Engine,
    engine_of: Callable[[str], Engine],
    readiness: Readiness,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append_some(engine_of("ingest"), 3)
    with monkeypatch.context() as future:
        future.setattr(AdministratorAppointed, "schema_version", 2)
        append_some(engine_of("ingest"), 1)
    projection = make_projection()
    with pytest.raises(NewerVersionError):
        projection.catch_up()
    assert rows(owner, schema) == 3, "what came before it is kept"
    assert "upgrade this service" in str(readiness.obstacles())
