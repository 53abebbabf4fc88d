"""Keeps ensembles up to date beside everything else that the scorer does: one at a time, with pauses that leave it the cores."""

import asyncio
import time
from contextlib import suppress

from services.scorer.ensembles import EnsembleMaker
from shared.bus.consumer import worth_waiting_for
from shared.telemetry import get_logger

log = get_logger(__name__)

#: A challenge rests this many times as long as its last look took, so that looks take a tenth of one core at most.
_REST = 9.0
#: How long a challenge rests whose ensemble could not be worked out for a reason that is not its kit's.
_FAILED_REST_S = 30.0


class EnsembleKeeper:
    """Works out what is due, whenever it is woken."""

    def __init__(self, maker: EnsembleMaker, pause_s: float) -> None:
        self._maker = maker
        self._pause_s = pause_s
        self._woken = asyncio.Event()
        #: Until when challenges rest. One that has become due rests first too: scores come in bursts, and a scorer that dies again and
        #: again would do nothing else.
        self._rests: dict[str, float] = {}

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled, which ends what is under way too. What goes wrong is logged, and tried again after a rest."""
        try:
            while True:
                wait_s = await self._look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._woken.wait()
                self._woken.clear()
        finally:
            # The process waits for its threads.
            self._maker.stop()

    async def _look(self) -> float | None:
        """Work out what is due; returns after how many seconds to look again, None for only when woken."""
        try:
            due = await asyncio.to_thread(self._maker.due)
        except Exception as error:
            if not worth_waiting_for(error):
                log.exception("look_failed")
            return _FAILED_REST_S
        for challenge in due:
            if self._rests.setdefault(challenge, time.monotonic() + self._pause_s) <= time.monotonic():
                await self._make(challenge)
        # One that is not due has rested, or rests: what is due next must not wait again.
        self._rests = {challenge: end for challenge, end in self._rests.items() if challenge in due or end > time.monotonic()}
        return max(min(self._rests[challenge] for challenge in due) - time.monotonic(), 0.0) if due else None

    async def _make(self, challenge: str) -> None:
        started = time.monotonic()
        rest_s = _FAILED_REST_S
        try:
            await asyncio.to_thread(self._maker.make, challenge)
            rest_s = max(self._pause_s, _REST * (time.monotonic() - started))
        except Exception as error:
            if worth_waiting_for(error):
                log.warning("waiting", part=f"ensemble of {challenge}", error=repr(error))
            else:
                log.exception("ensemble_not_made", challenge=challenge)
        self._rests[challenge] = time.monotonic() + rest_s
