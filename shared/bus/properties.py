"""Reading messages whatever their properties hold: a stranger's machine wrote them.

The broker takes properties that its clients can't decode: names that are no UTF-8, times after the year 9999, tables in tables
in tables. With pamqp as it is each of these closes the reader's connection, and the message comes again, and again: one trainer
that lies would keep the orchestrator from hearing any other [RabbitMQ 3.10, pamqp 4, aiormq 6.9].
"""

from datetime import datetime
from typing import cast

from pamqp import common, decode

#: Stands in place of headers that can't be read, with their bytes as they came.
UNREADABLE_HEADERS = "palio-unreadable-headers"

_LENGTH_BYTES = 4
_TIMESTAMP_BYTES = 8


def read_any_properties() -> None:
    """From now on, in this process: what can't be decoded is replaced, and no message breaks its reader. A second call changes nothing."""
    # Looked up there by name for each property; there is no option for it.
    decode.METHODS.update(shortstr=_short_string, timestamp=_timestamp, table=_table)


def _short_string(value: bytes) -> tuple[int, str]:
    length = value[0]
    return length + 1, value[1 : length + 1].decode(errors="replace")


def _timestamp(value: bytes) -> tuple[int, datetime | None]:
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return _TIMESTAMP_BYTES, None


def _table(value: bytes) -> tuple[int, common.FieldTable]:
    try:
        return decode.field_table(value)
    except Exception:  # noqa: BLE001  (of whatever kind: a deep one raises RecursionError, a late time ValueError)
        end = _LENGTH_BYTES + int.from_bytes(value[:_LENGTH_BYTES])
        return end, cast("common.FieldTable", {UNREADABLE_HEADERS: bytes(value[_LENGTH_BYTES:end])})
