"""A channel that breaks while its message waits for a server: it is handed out again, so it is not tried here any more."""

import asyncio
from typing import cast

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import ChannelInvalidStateError

from shared.bus.consumer import Consumer, TransientError
from shared.telemetry import Readiness


class GoneMessage:
    """What aio-pika's message does once its channel is closed."""

    @property
    def channel(self) -> object:
        raise ChannelInvalidStateError

    async def ack(self) -> None:
        raise ChannelInvalidStateError


async def test_what_waits_and_what_is_done_are_let_go_with_their_channel() -> None:
    for fails in (True, False):
        tries = 0

        async def handle(_message: AbstractIncomingMessage, *, fails: bool = fails) -> None:
            nonlocal tries
            tries += 1
            if fails:
                raise TransientError("the store is away")

        consumer = Consumer(cast("AbstractRobustConnection", None), "a queue", handle, Readiness())
        message = cast("AbstractIncomingMessage", GoneMessage())
        await asyncio.wait_for(consumer._start(message), 10)
        assert tries == 1
