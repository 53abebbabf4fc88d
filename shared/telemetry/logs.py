"""Logs: one JSON object a line on standard error, with whatever `bind_log_context` bound (submission, correlation id)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

#: Libraries that narrate at INFO what our own lines already say.
QUIET_LIBRARIES = ("aiormq", "aio_pika", "httpx", "urllib3", "uvicorn.access", "alembic")


def configure_logging(service: str, level: str) -> None:
    """Write this process's logs, its libraries' too, as JSON lines that name the service. A second call replaces the first."""

    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared_processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared_processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared_processors, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of a module, which writes `log.info("run_finished", run=...)` as one JSON line."""
    return cast("FilteringBoundLogger", structlog.get_logger(name))


@contextmanager
def bind_log_context(**values: Any) -> Iterator[None]:
    """Add values to every log line inside the `with`, in this thread or task."""
    with structlog.contextvars.bound_contextvars(**values):
        yield
