"""Connections to PostgreSQL: one engine a service, and a log line for each slow statement."""

import time
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, TextClause, create_engine, event, text
from sqlalchemy.engine import ExecutionContext

from shared.settings import DatabaseSettings
from shared.telemetry import get_logger

log = get_logger(__name__)

#: Statements are cut in the log: the beginning tells which one it is.
LOGGED_STATEMENT_LENGTH = 500


@lru_cache(maxsize=1000)
def sql(statement: str) -> TextClause:
    """`sqlalchemy.text`, once a statement: a read model that takes in a million events has the same few dozen a million times."""
    return text(statement)


def make_engine(settings: DatabaseSettings, *, pool_size: int = 10) -> Engine:
    """An engine for this service's own role. Connections are checked before use, so a restarted server is noticed."""
    engine = create_engine(
        settings.database_url.get_secret_value(),
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=True,
        # Many UPDATEs or DELETEs at once are a hundred to a round trip, as INSERTs are anyway.
        executemany_mode="values_plus_batch",
        # Parameters may hold sealed names or tokens' hashes; an error must not repeat them.
        hide_parameters=True,
    )
    _log_slow_statements(engine, settings.slow_query_ms)
    return engine


def _log_slow_statements(engine: Engine, slow_query_ms: int) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def start_clock(
        _connection: Connection, _cursor: Any, _statement: str, _parameters: Any, context: ExecutionContext | None, _many: object
    ) -> None:
        if context is not None:
            context._palio_started = time.perf_counter()  # type: ignore[attr-defined] # noqa: SLF001  (a context is made to carry such)

    @event.listens_for(engine, "after_cursor_execute")
    def log_if_slow(
        _connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: ExecutionContext | None, _many: object
    ) -> None:
        started = getattr(context, "_palio_started", None)
        if started is None:
            return
        elapsed_ms = (time.perf_counter() - started) * 1000
        if elapsed_ms >= slow_query_ms:
            log.warning("slow_query", elapsed_ms=round(elapsed_ms, 1), statement=statement[:LOGGED_STATEMENT_LENGTH])
