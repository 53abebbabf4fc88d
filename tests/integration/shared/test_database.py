"""Slow statements are logged, and errors keep what was sent to themselves."""

import logging
from collections.abc import Callable

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from shared.database import make_engine
from shared.settings import DatabaseSettings


@pytest.mark.parametrize(("limit_ms", "n_logged"), [(0, 1), (60_000, 0)])
def test_a_statement_slower_than_the_setting_is_logged(database_url: Callable[[str], str], limit_ms: int, n_logged: int) -> None:
    engine = make_engine(DatabaseSettings(database_url=SecretStr(database_url("ingest")), slow_query_ms=limit_ms))
    with capture_logs() as lines, engine.connect() as connection:
        connection.execute(text("SELECT 'a statement'"))
    engine.dispose()
    slow = [line for line in lines if line["event"] == "slow_query" and "a statement" in line["statement"]]
    assert len(slow) == n_logged
    assert all(line["elapsed_ms"] >= 0 for line in slow)


def test_a_databases_error_does_not_repeat_what_was_sent(
    database_url: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine(DatabaseSettings(database_url=SecretStr(database_url("ingest")), slow_query_ms=60_000))
    with caplog.at_level(logging.INFO), pytest.raises(DBAPIError) as raised, engine.connect() as connection:
        connection.execute(text("SELECT 1 / CAST(:zero AS integer), CAST(:secret AS text)"), {"zero": 0, "secret": "hunter2"})
    engine.dispose()
    assert "hunter2" not in str(raised.value) + caplog.text
