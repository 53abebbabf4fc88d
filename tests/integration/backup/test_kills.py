"""kill -9 in the middle of a backup, and of a restore: nothing counts that is half-made, and the next one goes through."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, TextClause, text

from shared.ledger.read_model import read_models
from shared.ledger.rebuild import RebuildError, compare
from shared.migrations.upgrade import MIGRATION_LOCK
from tests.support.backups import Place, StoredHistory
from tests.support.waiting import wait_until

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


@contextmanager
def held_up(owner: Engine, table: str, mode: str, place: Place, *words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command that has come as far as this table, which is locked for as long as the context lasts."""
    with owner.connect() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN {mode} MODE"))
        process = subprocess.Popen(
            [sys.executable, "-m", "palio", *words],
            env={"PATH": os.environ["PATH"], **place.environment},
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: number(owner, WAITING) or process.poll() is not None, "the command to wait for the table")
            assert process.poll() is None, "it ended"
            yield process
        finally:
            process.kill()
            process.wait()


def number(owner: Engine, statement: TextClause) -> int:
    with owner.connect() as connection:
        return int(connection.execute(statement).scalar_one())


def test_a_backup_that_is_killed_is_none_and_the_next_one_is_complete(
    history: StoredHistory, platform_here: Place, elsewhere: Place, owner: Engine, folder: Path
) -> None:
    with held_up(owner, "mailer.outbox", "ACCESS EXCLUSIVE", platform_here, "backup", folder):
        assert (folder / "palio-unfinished/backup/ledger.events.csv.zst").exists(), "it is in the middle"
        # What would put other tables under the names that it has yet to copy waits.
        with pytest.raises(RebuildError, match="backed up already"):
            compare(owner, read_models()["orchestrator"], lambda _position, _goal: None)
        assert not number(owner, text(f"SELECT CAST(pg_try_advisory_xact_lock({MIGRATION_LOCK}) AS integer)"))
    assert "holds no complete backup" in elsewhere.run("restore", folder).stderr
    made = platform_here.run("backup", folder)
    assert made.exit_code == 0, made.output
    assert elsewhere.run("restore", folder).exit_code == 0


def test_a_restore_that_is_killed_has_changed_nothing_and_the_next_one_goes_through(
    history: StoredHistory, platform_here: Place, elsewhere: Place, owner_elsewhere: Engine, folder: Path
) -> None:
    platform_here.run("backup", folder)
    # Schemas are dropped in order: the ledger is gone in its transaction, the mailer is not.
    with held_up(owner_elsewhere, "mailer.outbox", "ACCESS SHARE", elsewhere, "restore", folder):
        assert number(owner_elsewhere, WAITING) == 1
    restored = elsewhere.run("restore", folder)
    assert restored.exit_code == 0, restored.output
    assert "raised from 1 to 2" in restored.stdout


def test_somebody_who_holds_on_to_the_database_is_waited_for_and_then_named(
    history: StoredHistory,
    platform_here: Place,
    elsewhere: Place,
    owner_elsewhere: Engine,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform_here.run("backup", folder)
    monkeypatch.setattr("shared.backup.restoring.LOCK_TIMEOUT", "100ms")
    with owner_elsewhere.connect() as connection:
        connection.execute(text("LOCK TABLE mailer.outbox IN ACCESS SHARE MODE"))
        result = elsewhere.run("restore", folder)
    assert result.exit_code == 1
    assert "somebody uses the database" in result.stderr
    assert number(owner_elsewhere, text("SELECT position FROM ledger.head")) == 0
