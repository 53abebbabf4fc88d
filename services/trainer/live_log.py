"""What a submission prints, on its way to its team while it still runs: in passing, within a budget of bytes.

The sandbox's own thread writes; the event loop sends, twice a second. Nothing here can hold up a fold: what does not fit is
left out, and stands in the log that is stored when the fold is done.
"""

import asyncio
import codecs
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from shared.bus.consumer import BROKER_ERRORS
from shared.bus.telemetry import MAX_LINES_CHARS, LogLines, Whisperer
from shared.bus.topology import trainer_user
from shared.events import WorkRequest

_EVERY_S = 0.5
#: What is printed faster than this is not read live by anybody: the oldest of it is left out.
_MAX_WAITING_BYTES = 64 * 2**10


class LiveLog:
    """One fold's. `write` may be called from any thread."""

    def __init__(self, whisperer: Whisperer, request: WorkRequest, fold: int) -> None:
        self._whisperer = whisperer
        self._request = request
        self._fold = fold
        #: Guards what waits: the sandbox's thread adds to it, the loop takes it.
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._left_bytes = request.live_log_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def write(self, data: bytes) -> None:
        """Something was printed."""
        with self._lock:
            data = data[: self._left_bytes]
            self._left_bytes -= len(data)
            self._waiting += data
            del self._waiting[:-_MAX_WAITING_BYTES]

    @asynccontextmanager
    async def sent(self) -> AsyncIterator["LiveLog"]:
        """Send it for as long as the fold runs, and the rest at its end."""
        sending = asyncio.create_task(self._send_often())
        try:
            yield self
        finally:
            sending.cancel()
            await self._send()

    async def _send_often(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            await self._send()

    async def _send(self) -> None:
        with self._lock:
            data, self._waiting = bytes(self._waiting), bytearray()
        text = self._decoder.decode(data)
        for begin in range(0, len(text), MAX_LINES_CHARS):
            piece = text[begin : begin + MAX_LINES_CHARS]
            lines = LogLines(submission_id=self._request.submission_id, fold=self._fold, text=piece)
            with suppress(*BROKER_ERRORS):
                await self._whisperer.say(lines, trainer_user(self._request.pool))
