"""Appending to a real ledger: order, conflicts, privileges, the chain."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from shared.events import AdministratorAppointed, JoinApproved, MailSent, Metadata
from shared.ledger import (
    ConflictError,
    DuplicateEventError,
    ForbiddenTypeError,
    NewEvent,
    append,
    append_once,
    head_position,
    read_after,
    read_stream,
)
from shared.ledger.chain import first_broken_link

METADATA = Metadata(correlation_id="a test")
EngineOf = Callable[[str], Engine]


@pytest.fixture
def ingest(engine_of: EngineOf) -> Engine:
    return engine_of("ingest")


def appointed(user_id: UUID | None = None, expected_version: int | None = 0) -> NewEvent:
    return NewEvent(AdministratorAppointed(user_id=user_id or uuid4()), METADATA, expected_version)


def test_events_come_back_as_they_went_in_and_in_order(ingest: Engine) -> None:
    new = [appointed() for _ in range(3)]
    with ingest.begin() as connection:
        before = head_position(connection)
        appended = append(connection, new)
    with ingest.connect() as connection:
        read = read_after(connection, before, 10)
    assert [recorded.id for recorded in read] == [event.id for event in new]
    assert [recorded.event() for recorded in read] == [event.event for event in new]
    assert [recorded.position for recorded in read] == [before + 1, before + 2, before + 3]
    assert appended.position == before + 3
    assert {recorded.recorded_at for recorded in read} == {appended.recorded_at}


def test_many_writers_get_dense_positions_and_readers_never_skip_one(ingest: Engine) -> None:
    n_writers, n_events = 8, 25
    with ingest.connect() as connection:
        start = head_position(connection)

    def write(_: int) -> None:
        for _ in range(n_events):
            with ingest.begin() as connection:
                append(connection, [appointed()])

    seen: list[int] = []
    with ThreadPoolExecutor(n_writers) as threads:
        writing = [threads.submit(write, number) for number in range(n_writers)]
        # Reading by checkpoint while they write: what a sequence would lose shows here.
        while len(seen) < n_writers * n_events:
            with ingest.connect() as connection:
                seen += [recorded.position for recorded in read_after(connection, seen[-1] if seen else start, 500)]
            if all(each.done() for each in writing) and not any(each.exception() is None for each in writing):
                break
        for each in writing:
            each.result()
    assert seen == list(range(start + 1, start + n_writers * n_events + 1))


def test_a_second_writer_waits_for_the_first_and_gets_the_next_position(ingest: Engine) -> None:
    with ThreadPoolExecutor(1) as threads, ingest.connect() as first:
        with first.begin():
            held = append(first, [appointed()])

            def append_second() -> int:
                with ingest.begin() as second:
                    return append(second, [appointed()]).position

            waiting = threads.submit(append_second)
            with ingest.connect() as reader:
                assert head_position(reader) == held.position - 1, "nothing is visible before the commit"
            assert not waiting.done()
        assert waiting.result(timeout=10) == held.position + 1


def test_a_stream_that_has_moved_on_is_a_conflict_and_changes_nothing(ingest: Engine) -> None:
    user_id = uuid4()
    with ingest.begin() as connection:
        position = append(connection, [appointed(user_id, 0), appointed(user_id, 1)]).position
    for stale in (0, 1, 7):
        with pytest.raises(ConflictError), ingest.begin() as connection:
            append(connection, [appointed(), appointed(user_id, stale)])
    with ingest.connect() as connection:
        assert head_position(connection) == position
        assert [recorded.version for recorded in read_stream(connection, f"user-{user_id}")] == [1, 2]


def test_the_same_id_a_second_time_is_one_fact(ingest: Engine) -> None:
    new = appointed(expected_version=None)
    assert append_once(ingest, [new])
    assert not append_once(ingest, [new])
    with pytest.raises(DuplicateEventError), ingest.begin() as connection:
        append(connection, [new])


@pytest.mark.parametrize("service", ["relay", "leaderboard"])
def test_a_service_that_appends_nothing_may_not_call_append(engine_of: EngineOf, service: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), engine_of(service).begin() as connection:
        append(connection, [appointed()])


@pytest.mark.parametrize("service", ["orchestrator", "scorer", "mailer"])
def test_a_service_may_append_only_its_own_types(engine_of: EngineOf, service: str) -> None:
    with pytest.raises(ForbiddenTypeError), engine_of(service).begin() as connection:
        append(connection, [NewEvent(JoinApproved(challenge_id="iris", team_id=uuid4()), METADATA)])


def test_ingest_may_not_say_that_a_mail_was_sent(ingest: Engine) -> None:
    sent = MailSent(mail_id=uuid4(), kind="scored", user_id=uuid4(), caused_by=uuid4(), message_id="<1@palio>")
    with pytest.raises(ForbiddenTypeError), ingest.begin() as connection:
        append(connection, [NewEvent(sent, METADATA)])


CHANGES = (
    "UPDATE ledger.events SET data = '{}'",
    "DELETE FROM ledger.events",
    "TRUNCATE ledger.events",
    "INSERT INTO ledger.events SELECT * FROM ledger.events",
    "UPDATE ledger.head SET position = 0",
    "SELECT FROM ledger.head FOR UPDATE",
    "LOCK ledger.events IN EXCLUSIVE MODE",
    "INSERT INTO ledger.appenders VALUES (session_user, 'ScoreComputed')",
    "ALTER TABLE ledger.events DISABLE TRIGGER ALL",
    "CREATE OR REPLACE FUNCTION ledger.leaf() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SET session_replication_role = replica",
    "SET ROLE palio_owner",
)


@pytest.mark.parametrize("service", ["ingest", "relay", "orchestrator", "scorer", "leaderboard", "mailer"])
def test_no_service_can_change_what_is_recorded(engine_of: EngineOf, service: str) -> None:
    for statement in CHANGES:
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), engine_of(service).begin() as connection:
            connection.execute(text(statement))


def test_an_orchestrator_can_not_read_the_vault(engine_of: EngineOf) -> None:
    for table in ("person_keys", "accounts", "tokens"):
        with pytest.raises(ProgrammingError, match="permission denied"), engine_of("orchestrator").connect() as connection:
            connection.execute(text(f"SELECT * FROM vault.{table}"))


def test_a_leaderboard_can_check_a_token_but_not_read_password_hashes(engine_of: EngineOf) -> None:
    with engine_of("leaderboard").connect() as connection:
        assert connection.execute(text("SELECT * FROM vault.authenticate('x')")).all() == []
    with pytest.raises(ProgrammingError, match="permission denied"), engine_of("leaderboard").connect() as connection:
        connection.execute(text("SELECT password_hash FROM vault.accounts"))


def test_text_that_breaks_json_operators_is_kept(ingest: Engine) -> None:
    hostile = Metadata(correlation_id="\u0000 \U0001f600 '; DROP TABLE ledger.events; --")
    with ingest.begin() as connection:
        position = append(connection, [NewEvent(AdministratorAppointed(user_id=uuid4()), hostile)]).position
    with ingest.connect() as connection:
        assert read_after(connection, position - 1, 1)[0].metadata == hostile


def test_the_chain_verifies_and_the_first_forged_position_is_found(ingest: Engine, owner: Engine) -> None:
    with ingest.begin() as connection:
        position = append(connection, [appointed() for _ in range(5)]).position - 2
    with owner.connect() as connection:
        assert first_broken_link(connection) is None
    with owner.connect() as connection:
        # Only the owner of the database could, and is found out.
        connection.execute(text("UPDATE ledger.events SET data = '{}' WHERE position = :position"), {"position": position})
        assert first_broken_link(connection) == position
        connection.rollback()
        connection.execute(text("DELETE FROM ledger.events WHERE position = :position"), {"position": position})
        assert first_broken_link(connection) == position
        connection.rollback()
