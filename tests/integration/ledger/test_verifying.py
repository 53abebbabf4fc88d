"""`palio ledger verify`: a sound ledger, and every way in which its owner could have changed it."""

import json
from collections.abc import Callable
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from palio.cli import main
from shared.events import AdministratorAppointed, Metadata
from shared.ledger import NewEvent, append
from shared.ledger.chain import snapshot, verify

Run = Callable[..., Result]
N_EVENTS = 12

#: What an owner does who writes the whole chain anew, so that every hash is right again.
REHASH = """
DO $$
DECLARE
    event ledger.events%ROWTYPE;
    previous bytea := sha256(''::bytea);
BEGIN
    FOR event IN SELECT * FROM ledger.events ORDER BY position LOOP
        previous := sha256(previous || ledger.leaf(event.salt, event.position, event.id, event.stream, event.version, event.type,
            event.schema_version, event.data, event.metadata, event.recorded_at));
        UPDATE ledger.events SET hash = previous WHERE position = event.position;
    END LOOP;
    UPDATE ledger.head SET hash = previous, position = (SELECT max(position) FROM ledger.events);
END $$
"""


@pytest.fixture
def run(owner_database_url: str) -> Run:
    return lambda *words: CliRunner().invoke(
        main, ["ledger", "verify", *words], env={"PALIO_OWNER_DATABASE_URL": owner_database_url}
    )


@pytest.fixture
def head(engine_of: Callable[[str], Engine], owner: Engine) -> str:
    """The head's hash after events of two streams, in turn."""
    users = [uuid4(), uuid4()]
    for number in range(N_EVENTS):
        with engine_of("ingest").begin() as connection:
            append(connection, [NewEvent(AdministratorAppointed(user_id=users[number % 2]), Metadata(correlation_id="\0 é"))])
    with owner.connect() as connection:
        return str(connection.execute(text("SELECT encode(hash, 'hex') FROM ledger.head")).scalar_one())


def change(owner: Engine, *statements: str) -> None:
    with owner.begin() as connection:
        for statement in statements:
            connection.execution_options(no_parameters=True).exec_driver_sql(statement)


def first_bad(run: Run, *words: str) -> tuple[int, str]:
    found = run("--json", *words)
    told = json.loads(found.stdout)
    assert (found.exit_code, told["sound"]) == (1, False)
    in_words = run(*words)
    assert in_words.exit_code == 1
    assert f"broken from position {told['first_bad_position']} on: {told['reason']}" in in_words.stdout
    return told["first_bad_position"], told["reason"]


def test_a_sound_ledger_is_called_so_with_its_head(run: Run, head: str) -> None:
    found = run()
    assert found.exit_code == 0, found.output
    assert "The ledger is sound: 12 events" in found.stdout
    assert f"position 12 with the hash {head}" in found.stdout
    told = json.loads(run("--json").stdout)
    assert (told["sound"], told["position"], told["hash"]) == (True, N_EVENTS, head)


def test_a_ledger_without_events_is_sound(run: Run) -> None:
    assert "sound: 0 events" in run().stdout


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "gen_random_uuid()"),
        ("stream", "'user-x'"),
        ("type", "'UserRegistered'"),
        ("schema_version", "2"),
        ("data", "'{}'"),
        ("metadata", "'{}'"),
        ("recorded_at", "recorded_at + interval '1 microsecond'"),
        ("salt", "sha256(salt)"),
        ("hash", "sha256(hash)"),
    ],
)
def test_a_column_that_was_changed_is_found(run: Run, head: str, owner: Engine, column: str, value: str) -> None:
    change(owner, f"UPDATE ledger.events SET {column} = {value} WHERE position = 3")
    position, reason = first_bad(run)
    assert position == 3
    assert "changed after it was recorded" in reason


@pytest.mark.parametrize(
    ("statement", "position", "reason"),
    [
        ("DELETE FROM ledger.events WHERE position = 4", 4, "there is no event; the next one is at position 5"),
        ("DELETE FROM ledger.events WHERE position = 1", 1, "there is no event"),
        ("DELETE FROM ledger.events WHERE position > 9", 10, "the events end at position 9, the ledger's head says 12"),
        ("DELETE FROM ledger.events", 1, "the events end at position 0"),
        ("UPDATE ledger.head SET position = 11", 12, "the ledger's head says 11"),
        ("UPDATE ledger.head SET hash = sha256(hash)", 12, "not that of the last event"),
        ("UPDATE ledger.events SET position = 0 WHERE position = 12", 0, "positions begin at 1"),
    ],
)
def test_what_was_taken_out_or_moved_is_found(
    run: Run, head: str, owner: Engine, statement: str, position: int, reason: str
) -> None:
    change(owner, statement)
    found, why = first_bad(run)
    assert found == position
    assert reason in why


def test_versions_of_a_stream_out_of_order_are_found_though_every_hash_is_right(run: Run, head: str, owner: Engine) -> None:
    swap = "UPDATE ledger.events SET version = {} WHERE position = {}"
    change(owner, swap.format(99, 4), swap.format(2, 6), swap.format(3, 4), REHASH)
    assert first_bad(run) == (4, f"it is version 3 of stream {stream_at(owner, 4)}, which should come to version 2 here")


def test_a_time_that_goes_back_is_found_though_every_hash_is_right(run: Run, head: str, owner: Engine) -> None:
    change(owner, "UPDATE ledger.events SET recorded_at = recorded_at - interval '1 day' WHERE position = 2", REHASH)
    position, reason = first_bad(run)
    assert position == 2
    assert "before the event that it follows" in reason


def test_only_who_knows_a_hash_from_elsewhere_finds_a_ledger_that_was_written_anew(run: Run, head: str, owner: Engine) -> None:
    assert run("--known", "12", head.upper()).exit_code == 0
    change(owner, "UPDATE ledger.events SET data = '{}' WHERE position = 5", REHASH)
    assert run().exit_code == 0
    assert first_bad(run, "--known", "12", head) == (
        12,
        "its hash is not the one that you know: it, or an event before it, was changed",
    )
    assert first_bad(run, "--known", "13", head) == (13, "you know a hash of it, and the ledger ends at 12")


def test_words_that_are_no_hash_are_refused_in_words(run: Run) -> None:
    found = run("--known", "1", "abc")
    assert found.exit_code == 2
    assert "64 hexadecimal digits" in found.stderr


def test_what_is_appended_meanwhile_is_no_fault(run: Run, head: str, owner: Engine, engine_of: Callable[[str], Engine]) -> None:
    def append_one_more(_position: int, _goal: int) -> None:
        with engine_of("ingest").begin() as connection:
            append(connection, [NewEvent(AdministratorAppointed(user_id=uuid4()), Metadata(correlation_id="meanwhile"))])

    with snapshot(owner) as connection:
        assert verify(connection, append_one_more).position == N_EVENTS


def stream_at(owner: Engine, position: int) -> str:
    with owner.connect() as connection:
        statement = text("SELECT stream FROM ledger.events WHERE position = :position")
        return str(connection.execute(statement, {"position": position}).scalar_one())
