"""A drill: a backup is made while everything goes on, restored elsewhere, and is the same platform there, without mail."""

import stat
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from services.ingest.accounts import issue_token
from shared.artefacts import Bucket, Store, environment_key
from shared.ledger.read_model import read_models
from shared.ledger.rebuild import rebuild
from shared.migrations.upgrade import migration_folders
from shared.runs import run_id_of
from tests.support.backups import Made, Place, StoredHistory
from tests.support.histories import N_FOLDS
from tests.support.servers import Servers
from tests.support.waiting import wait_until

TABLES = text("""
    SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables WHERE schemaname = ANY(:schemas) ORDER BY 1
""")


def contents(owner: Engine) -> dict[str, list[str]]:
    """Every row of every table."""
    with owner.begin() as connection:
        connection.execute(text("SET LOCAL TimeZone = 'UTC'"))
        return {
            table: sorted(connection.execute(text(f"SELECT CAST(t AS text) FROM {table} t")).scalars())
            for table in connection.execute(TABLES, {"schemas": list(migration_folders())}).scalars().all()
        }


def head(owner: Engine) -> tuple[int, int, bytes]:
    with owner.connect() as connection:
        row = connection.execute(text("SELECT epoch, position, hash FROM ledger.head")).one()
    return row.epoch, row.position, bytes(row.hash)


def test_a_restored_platform_is_the_one_that_was_backed_up_in_a_higher_epoch_and_without_mail(
    made: Made, elsewhere: Place, owner_elsewhere: Engine, folder: Path
) -> None:
    told = made.here.run("backup", folder)
    assert told.exit_code == 0, told.output
    assert "is complete: position" in told.stdout
    restored = elsewhere.run("restore", folder)
    assert restored.exit_code == 0, restored.output
    assert "✗" not in restored.stdout
    assert "✓ ledger:" in restored.stdout
    assert "✓ objects: all that the ledger names are there" in restored.stdout
    assert "✓ read model leaderboard:" in restored.stdout
    assert "✓ accounts: 3 people can log in" in restored.stdout
    before, after = contents(made.owner), contents(owner_elsewhere)
    assert [name for name in before if before[name] != after[name]] == ["ledger.head", "mailer.outbox", "mailer.silence"]
    epoch, position, last_hash = head(made.owner)
    assert head(owner_elsewhere) == (epoch + 1, position, last_hash)


def test_people_log_in_where_it_is_restored(
    made: Made, elsewhere: Place, servers: Servers, second_database: str, make_test_engine: Callable[[str], Engine]
) -> None:
    elsewhere.run("restore", made.folder)
    ingest = make_test_engine(servers.database_url("ingest", second_database))
    assert issue_token(ingest, made.history.accounts[0].name, "a password", 1).token


def test_a_backup_while_writers_write_stands_at_one_position(
    history: StoredHistory, platform_here: Place, elsewhere: Place, owner: Engine, owner_elsewhere: Engine, folder: Path
) -> None:
    enough, failed = threading.Event(), []

    def write() -> None:
        try:
            while not enough.is_set():
                history.scored()
                history.catch_up()
        except Exception as error:  # noqa: BLE001  (whatever it is, the test fails)
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        begun = head(owner)[1]
        wait_until(lambda: head(owner)[1] > begun, "something that is written")
        made = platform_here.told("backup", folder)
        wait_until(lambda: head(owner)[1] > made["position"], "something that is written afterwards")
    finally:
        enough.set()
        writer.join()
    assert failed == []
    assert made["missing"] == 0
    told = elsewhere.told("restore", folder)
    assert [check["words"] for check in told["checks"] if not check["ok"]] == []
    assert head(owner_elsewhere)[1] == made["position"]
    kept = contents(owner)["ledger.events"]
    assert set(contents(owner_elsewhere)["ledger.events"]) < set(kept)


def test_an_object_that_only_the_backup_has_is_put_back(
    history: StoredHistory,
    platform_here: Place,
    elsewhere: Place,
    store_of: Callable[[str], Store],
    folder: Path,
) -> None:
    key = environment_key(sha256(f"a lock {history.mark}".encode()).hexdigest())
    store_of("scorer").put_bytes(Bucket.PREPARED, key, b"a digest")
    platform_here.run("backup", folder)
    operator = store_of("operator")
    run_id = str(run_id_of(history.submissions[0].submission_id))
    of_a_run = [name for name, _size in operator.listed(Bucket.RUNS) if run_id in name]
    assert len(of_a_run) == 2 * N_FOLDS
    for name in of_a_run:
        operator._minio.remove_object(Bucket.RUNS, name)
    operator._minio.remove_object(Bucket.PREPARED, key)
    assert not operator.holds(Bucket.PREPARED, key)
    restored = elsewhere.run("restore", folder)
    assert restored.exit_code == 0, restored.output
    with operator.stream(Bucket.PREPARED, key) as chunks:
        assert b"".join(chunks) == b"a digest"
    assert all(operator.get_bytes(Bucket.RUNS, name) for name in of_a_run)


def test_what_a_service_kept_wrongly_is_named_after_a_restore_with_the_command_that_mends_it(
    history: StoredHistory, platform_here: Place, elsewhere: Place, owner: Engine, folder: Path
) -> None:
    with owner.begin() as connection:
        connection.execute(text("UPDATE leaderboard.submissions SET name = 'another'"))
    platform_here.run("backup", folder)
    restored = elsewhere.run("restore", folder)
    assert restored.exit_code == 1
    words = (
        "✗ read model leaderboard: at position 25 differs from the ledger in submissions: palio projection rebuild leaderboard"
    )
    assert words in restored.stdout
    assert "restored, and not whole: see above" in restored.stdout


def test_a_second_backup_copies_only_what_is_new_and_both_can_be_restored(
    history: StoredHistory, platform_here: Place, elsewhere: Place, owner_elsewhere: Engine, folder: Path
) -> None:
    first = platform_here.told("backup", folder)
    history.scored()
    second = platform_here.told("backup", folder)
    assert second["position"] > first["position"]
    assert 0 < second["new_objects"] < first["new_objects"]
    for made in (first, second):
        restored = elsewhere.run("restore", folder, "--replace", "--backup", made["backup"])
        assert restored.exit_code == 0, restored.output
        assert head(owner_elsewhere)[1] == made["position"]
    assert head(owner_elsewhere)[0] == 3, "the second restore is above the first"


def test_a_backup_is_for_its_owner_only(made: Made) -> None:
    folder = made.folder
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_mail_stays_off_through_a_rebuild_until_an_operator_turns_it_on(
    made: Made, elsewhere: Place, owner_elsewhere: Engine
) -> None:
    assert (
        "mail is off until `palio mail on`; mails that waited and are dropped: 1" in elsewhere.run("restore", made.folder).stdout
    )
    rebuild(owner_elsewhere, read_models()["mailer"], lambda _position, _goal: None)
    status = elsewhere.told("mail", "status")
    assert status["on"] is False
    assert status["reason"].startswith("restored from the backup of")
    assert "palio mail on" in elsewhere.run("mail", "status").stdout
    assert elsewhere.run("mail", "on").stdout == "Mail is on again.\n"
    assert elsewhere.run("mail", "on").stdout == "Mail is on already.\n"
    assert elsewhere.run("mail", "status").stdout == "Mail is on.\n"


def test_a_platform_that_is_restored_after_a_loss_may_send_mail(made: Made, elsewhere: Place) -> None:
    assert "are sent now, some perhaps a second time: 1" in elsewhere.run("restore", made.folder, "--mail").stdout
    assert elsewhere.told("mail", "status")["on"] is True


@pytest.mark.parametrize("settings", [("PALIO_OWNER_DATABASE_URL",), ("PALIO_S3_ENDPOINT", "PALIO_S3_SECRET_KEY")])
def test_settings_that_are_missing_are_named(settings: tuple[str, ...], made: Made, folder: Path) -> None:
    result = made.here.run("backup", folder, **dict.fromkeys(settings))
    assert result.exit_code == 1
    assert all(name in result.stderr for name in settings)
