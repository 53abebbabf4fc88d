"""Appending to a real ledger: order, conflicts, privileges, the chain."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from shared.events import EVENT_TYPES, AdministratorAppointed, Metadata
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
from tests.support.goldens import golden
from tests.support.waiting import wait_until

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


@contextmanager
def second_writer_waiting(owner: Engine, ingest: Engine, new: NewEvent) -> Iterator[Future[int]]:
    """Another transaction that has really come to the ledger's lock, and waits there; its position once it is through."""

    def append_second() -> int:
        with ingest.begin() as second:
            return append(second, [new]).position

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(append_second)
        wait_until(lambda: is_waiting_for_a_lock(owner), "the second writer to wait")
        assert not waiting.done()
        yield waiting


def is_waiting_for_a_lock(owner: Engine) -> bool:
    statement = text(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    with owner.connect() as connection:
        return bool(connection.execute(statement).scalar_one())


def test_a_second_writer_waits_for_the_first_and_gets_the_next_position(ingest: Engine, owner: Engine) -> None:
    with ingest.connect() as first:
        transaction = first.begin()
        held = append(first, [appointed()])
        with second_writer_waiting(owner, ingest, appointed()) as waiting:
            with ingest.connect() as reader:
                assert head_position(reader) == held.position - 1, "nothing is visible before the commit"
            transaction.commit()
        assert waiting.result(timeout=10) == held.position + 1
    with ingest.connect() as reader:
        [one, other] = read_after(reader, held.position - 1, 10)
        assert one.recorded_at <= other.recorded_at


def test_a_writer_that_rolls_back_leaves_no_hole(ingest: Engine, owner: Engine) -> None:
    with ingest.connect() as first:
        transaction = first.begin()
        held = append(first, [appointed()])
        with second_writer_waiting(owner, ingest, appointed()) as waiting:
            transaction.rollback()
        assert waiting.result(timeout=10) == held.position


def test_of_two_open_transactions_that_expect_the_same_version_one_has_a_conflict(ingest: Engine, owner: Engine) -> None:
    user_id = uuid4()
    with ingest.connect() as first:
        transaction = first.begin()
        append(first, [appointed(user_id, 0)])
        with second_writer_waiting(owner, ingest, appointed(user_id, 0)) as waiting:
            transaction.commit()
        with pytest.raises(ConflictError):
            waiting.result(timeout=10)


def test_of_two_open_transactions_with_the_same_fact_one_hears_that_it_is_known(ingest: Engine, owner: Engine) -> None:
    new = appointed(expected_version=None)
    with ingest.connect() as first:
        transaction = first.begin()
        append(first, [new])
        with second_writer_waiting(owner, ingest, new) as waiting:
            transaction.commit()
        with pytest.raises(DuplicateEventError):
            waiting.result(timeout=10)


def test_a_lock_that_is_not_free_in_time_is_an_error_to_try_again_after(ingest: Engine) -> None:
    with ingest.connect() as first:
        transaction = first.begin()
        held = append(first, [appointed()])
        with pytest.raises(OperationalError) as refused, ingest.begin() as second:
            append(second, [appointed()])
        assert code_of(refused.value) == "55P03"
        transaction.commit()
    with ingest.begin() as second:
        assert append(second, [appointed()]).position == held.position + 1


def test_a_holder_that_freezes_loses_its_transaction_and_others_go_on(ingest: Engine, owner: Engine) -> None:
    with ingest.connect() as frozen:
        assert frozen.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one() == "10s", (
            "every service's role has it"
        )
        frozen.rollback()
        # The same timeout, for this one shorter than others' patience, so that the test is quick.
        frozen.execute(text("SET idle_in_transaction_session_timeout = '500ms'"))
        frozen.commit()
        transaction = frozen.begin()
        held = append(frozen, [appointed()])
        with second_writer_waiting(owner, ingest, appointed()) as waiting:
            # The frozen one does nothing any more.
            assert waiting.result(timeout=30) == held.position, "what it had appended is undone"
        with pytest.raises(DBAPIError):
            transaction.commit()
        frozen.invalidate()


def test_a_writer_with_an_old_snapshot_is_refused_and_not_given_a_wrong_position(ingest: Engine) -> None:
    with ingest.connect().execution_options(isolation_level="REPEATABLE READ") as old, old.begin():
        position = head_position(old)
        with ingest.begin() as connection:
            append(connection, [appointed()])
        with pytest.raises(OperationalError) as refused:
            append(old, [appointed()])
        assert code_of(refused.value) == "40001"
    with ingest.connect() as connection:
        assert head_position(connection) == position + 1


def code_of(error: DBAPIError) -> object:
    return getattr(error.orig, "pgcode", None)


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


@pytest.mark.parametrize("service", ["ingest", "relay", "orchestrator", "scorer", "leaderboard", "mailer"])
def test_a_service_may_append_the_types_that_are_its_own_and_no_other(engine_of: EngineOf, service: str) -> None:
    for name, event_type in EVENT_TYPES.items():
        with engine_of(service).connect() as connection:
            before = head_position(connection)
            if service in event_type.appended_by:
                append(connection, [NewEvent(golden(name), METADATA)])
            else:
                # A role that appends nothing may not even call the function.
                with pytest.raises((ForbiddenTypeError, ProgrammingError), match=r"may not append|permission denied"):
                    append(connection, [NewEvent(golden(name), METADATA)])
            connection.rollback()
            assert head_position(connection) == before


def test_one_forbidden_type_among_others_keeps_all_of_them_out(ingest: Engine) -> None:
    with ingest.connect() as connection:
        before = head_position(connection)
    with pytest.raises(ForbiddenTypeError), ingest.begin() as connection:
        append(connection, [appointed(), NewEvent(golden("ScoreComputed"), METADATA), appointed()])
    with ingest.connect() as connection:
        assert head_position(connection) == before


CHANGES = (
    "UPDATE ledger.events SET data = '{}'",
    "DELETE FROM ledger.events",
    "TRUNCATE ledger.events",
    "INSERT INTO ledger.events SELECT * FROM ledger.events",
    "UPDATE ledger.head SET position = 0",
    "DELETE FROM ledger.head",
    "TRUNCATE ledger.head",
    "DROP TABLE ledger.events",
    "DELETE FROM ledger.appenders",
    "COPY ledger.events FROM STDIN",
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
