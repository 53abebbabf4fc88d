"""Properties that the broker takes from a trainer and no client can decode: they are read all the same, and nobody's turn is lost."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from pamqp import encode
from pydantic import SecretStr

from shared.bus.connection import connect
from shared.bus.consumer import Consumer
from shared.bus.topology import REPORTS, REPORTS_QUEUE
from shared.settings import BusSettings
from shared.telemetry import Readiness

#: Properties that the test's own encoder replaces by raw bytes.
MARK = "replace me"


def nested(depth: int) -> bytes:
    """A header that is a table in a table, and so on."""
    table = b""
    for _ in range(depth):
        inner = b"\x01a" + table if table else b""
        table = b"F" + struct.pack(">I", len(inner)) + inner
    return b"\x01a" + table


HEADERS = {
    "a name that is no text": b"\x01\xffS\x00\x00\x00\x01a",
    "a value that is no text": b"\x01aS\x00\x00\x00\x01\xff",
    "a time after all times": b"\x01aT" + struct.pack(">Q", 2**63 - 1),
    "tables in tables": nested(3_000),
    "nothing": b"\x01aV",
}


@pytest.fixture
async def operator(amqp_url: Callable[[str], str]) -> AsyncIterator[AbstractRobustConnection]:
    async with await aio_pika.connect_robust(amqp_url("operator")) as connection:
        await (await (await connection.channel()).get_queue(REPORTS_QUEUE, ensure=False)).purge()
        yield connection


async def say(amqp_url: Callable[[str], str], body: bytes, **properties: object) -> None:
    """Publish as a trainer."""
    async with await aio_pika.connect(amqp_url("trainer-default")) as connection:
        exchange = await (await connection.channel()).get_exchange(REPORTS, ensure=False)
        message = aio_pika.Message(body, **properties)  # type: ignore[arg-type]
        await exchange.publish(message, routing_key="default.started", timeout=10)


async def bodies_heard(amqp_url: Callable[[str], str], number: int) -> list[bytes]:
    """What the orchestrator's own queue gives it, in order."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle(message: AbstractIncomingMessage) -> None:
        await heard.put(message.body)

    async with await connect(BusSettings(amqp_url=SecretStr(amqp_url("orchestrator"))), "test") as connection:
        consuming = asyncio.create_task(Consumer(connection, REPORTS_QUEUE, handle, Readiness()).run())
        try:
            async with asyncio.timeout(30):
                return [await heard.get() for _ in range(number)]
        finally:
            consuming.cancel()
            await asyncio.gather(consuming, return_exceptions=True)


@pytest.mark.parametrize("what", HEADERS)
@pytest.mark.usefixtures("operator")
async def test_headers_that_can_not_be_read_do_not_keep_others_from_being_heard(
    amqp_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    raw, table = HEADERS[what], encode.METHODS["table"]
    with monkeypatch.context() as patched:
        # Not those of the connection itself.
        patched.setitem(
            encode.METHODS, "table", lambda value: struct.pack(">I", len(raw)) + raw if value and MARK in value else table(value)
        )
        await say(amqp_url, b"hostile", headers={MARK: MARK})
    await say(amqp_url, b"honest")
    assert await bodies_heard(amqp_url, 2) == [b"hostile", b"honest"]


@pytest.mark.parametrize(
    "name", ["content_type", "content_encoding", "correlation_id", "reply_to", "message_id", "type", "app_id"]
)
@pytest.mark.usefixtures("operator")
async def test_a_property_that_is_no_text_does_not_keep_others_from_being_heard(
    amqp_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    short_string = encode.METHODS["shortstr"]
    with monkeypatch.context() as patched:
        patched.setitem(encode.METHODS, "shortstr", lambda value: b"\x02\xff\xfe" if value == MARK else short_string(value))
        await say(amqp_url, b"hostile", **{name: MARK})
    await say(amqp_url, b"honest")
    assert await bodies_heard(amqp_url, 2) == [b"hostile", b"honest"]


@pytest.mark.usefixtures("operator")
async def test_a_message_of_a_time_after_all_times_does_not_keep_others_from_being_heard(
    amqp_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(encode.METHODS, "timestamp", lambda _value: struct.pack(">Q", 2**63 - 1))
        await say(amqp_url, b"hostile", timestamp=1)
    await say(amqp_url, b"honest")
    assert await bodies_heard(amqp_url, 2) == [b"hostile", b"honest"]


@pytest.mark.parametrize("mode", [0, 7, 255])
@pytest.mark.usefixtures("operator")
async def test_a_delivery_mode_that_does_not_exist_is_refused_or_heard(
    amqp_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(encode.METHODS, "octet", lambda _value: bytes([mode]))
        try:
            await say(amqp_url, b"hostile", delivery_mode=2)
            expected = [b"hostile", b"honest"]
        except (aio_pika.exceptions.AMQPError, TimeoutError):
            expected = [b"honest"]
    await say(amqp_url, b"honest")
    assert await bodies_heard(amqp_url, len(expected)) == expected
