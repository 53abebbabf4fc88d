"""Migrations fill what they add from the ledger: an upgraded read model is the one that the ledger says."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from services.ingest.accounts import register
from shared.artefacts import Store
from shared.events import ProblemPublished
from shared.ledger.read_model import read_models
from shared.ledger.rebuild import compare
from shared.migrations.upgrade import upgrade_schema
from tests.support.goldens import golden
from tests.support.histories import History

#: By schema: migrations that the release before did not have; later ones run too.
FIRST_NEW = {"leaderboard": "0005", "orchestrator": "0003", "mailer": "0003"}


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> History:
    """Submissions in every state, a second challenge, and a problem that is not prepared."""
    organiser = register(engine_of("ingest"), "teacher", "teacher@example.org", "a password").account
    history = History(engine_of, store_of("ingest"), organiser_id=organiser.user_id)
    account = history.person()
    for _ in range(8):
        history.submit(account)
    history.release(slots=3)
    scored, unscored, also_unscored, owed, begun, *_ = [each for each in history.submissions if history.attempt(each)]
    for each in (scored, unscored, also_unscored, owed):
        history.trained(each)
    history.score(scored)
    for each in (unscored, also_unscored):
        history.fail_to_score(each)
    history.report(history.started_report(begun, None))
    history.report(history.slow_report(begun))
    # Before its turn has come.
    assert not history.attempt(history.submissions[-1])
    history.withdraw(history.submissions[-1])
    published = golden("ProblemPublished")
    assert isinstance(published, ProblemPublished)
    history.append_as("ingest", published.model_copy(update={"problem_id": "forgotten"}))
    history.catch_up()
    return history


@pytest.mark.parametrize(("name", "first_new"), FIRST_NEW.items())
def test_what_a_migration_adds_is_filled_with_what_the_ledger_says(
    name: str, first_new: str, history: History, owner: Engine, tmp_path: Path
) -> None:
    model = read_models()[name]
    for migration in model.migrations.glob("0*.py"):
        if migration.name < first_new:
            shutil.copy(migration, tmp_path)
    with owner.begin() as connection:
        upgrade_schema(connection, "before", tmp_path)
        copy_rows(connection, name, "before")
        connection.execute(text(f'ALTER SCHEMA "{name}" RENAME TO gone; ALTER SCHEMA before RENAME TO "{name}"'))
    with owner.begin() as connection:
        upgrade_schema(connection, name, model.migrations)
    assert compare(owner, model, lambda *_: None).differences == []


def copy_rows(connection: Connection, source: str, target: str) -> None:
    """What the release before would have had in its tables: none of the mails that it did not know."""
    tables = connection.execute(
        text("SELECT tablename FROM pg_tables WHERE schemaname = :target AND tablename <> 'schema_version'"), {"target": target}
    ).scalars()
    # Jobs refer to runs.
    for table in sorted(tables, key=lambda name: (name != "runs", name)):
        columns = connection.execute(
            text("SELECT column_name FROM information_schema.columns WHERE table_schema = :target AND table_name = :table"),
            {"target": target, "table": table},
        ).scalars()
        names = ", ".join(columns)
        connection.execute(text(f"DELETE FROM {target}.{table}"))
        known = " WHERE kind <> 'kit_fault'" if table == "outbox" else ""
        connection.execute(text(f"INSERT INTO {target}.{table} ({names}) SELECT {names} FROM {source}.{table}{known}"))
