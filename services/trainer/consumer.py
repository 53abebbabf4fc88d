"""The trainer's queue: work of its pool. A message is held, unacknowledged, for as long as its work is on this trainer.

So no work waits here while another trainer is idle, and the broker's notice that this process died is what frees it. What comes
a second time was in the hands of somebody who is gone: what of it is missing, only the orchestrator knows, so it goes back there.
"""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage

from services.trainer.training import Request, RunTrainer, TrainingStoppedError, shared_fold
from shared.bus.consumer import RejectedError
from shared.bus.telemetry import EndRun, Held
from shared.events import FoldRequested, NewerVersionError, RecordedEvent, TrainingRequested, UnknownTypeError
from shared.telemetry import bind_log_context, get_logger

log = get_logger(__name__)

#: Runs that are over, and whose requests may still be in the queue.
_MAX_ENDED = 1_000


class WorkConsumer:
    """Hears what is requested and trains it, at most `max_jobs` requests in all (0: no end)."""

    def __init__(self, trainer: RunTrainer, max_jobs: int = 0) -> None:
        self._trainer = trainer
        self._max_jobs = max_jobs
        self._taken = 0
        self._running: dict[tuple[UUID, int | None, int], asyncio.Task[None]] = {}
        self._ended: OrderedDict[UUID, None] = OrderedDict()
        #: Set once the last request that this trainer takes is there.
        self.took_last = asyncio.Event()

    @property
    def held(self) -> tuple[Held, ...]:
        """What is on this trainer now."""
        return tuple(Held(run_id=run_id, fold=fold) for run_id, fold, _ in self._running)

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Raises `RejectedError` for what is not a request."""
        request, correlation_id = _parsed(message)
        about = {"submission_id": str(request.submission_id), "run_id": str(request.run_id), "fold": shared_fold(request)}
        with bind_log_context(**about, correlation_id=correlation_id):
            log.info("requested", attempt=request.attempt, redelivered=message.redelivered)
            await self._take(request, came_again=bool(message.redelivered))

    async def end_run(self, command: EndRun) -> None:
        """The run is over: end what of it is here, and take no more of it."""
        self._ended[command.run_id] = None
        while len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)
        for (run_id, _, _), task in tuple(self._running.items()):
            if run_id == command.run_id:
                log.info("ended", run_id=str(run_id))
                task.cancel()

    async def _take(self, request: Request, *, came_again: bool) -> None:
        key = (request.run_id, shared_fold(request), request.attempt)
        running = self._running.get(key)
        if running is not None:
            # The connection was lost and came back, the work went on: this message is the one to acknowledge when it is done.
            await asyncio.wait({running})
            with suppress(TrainingStoppedError):
                running.result()
        elif request.run_id in self._ended:
            log.info("over_already")
        elif came_again:
            await self._trainer.refuse(request, "redelivered")
        elif self._max_jobs and self._taken >= self._max_jobs:
            await self._trainer.refuse(request, "stopping")
        else:
            self._taken += 1
            if self._taken == self._max_jobs:
                self.took_last.set()
            await self._train(key, request)

    async def _train(self, key: tuple[UUID, int | None, int], request: Request) -> None:
        # A task of its own, which a command can cancel without cancelling the one that acknowledges.
        task = self._running[key] = asyncio.ensure_future(self._trainer.train(request))
        try:
            await task
        except TrainingStoppedError as stopped:
            if request.run_id not in self._ended:
                await self._trainer.give_back(stopped.execution)
        except asyncio.CancelledError:
            # Ended before its first step, it had no time to say so. Was it this task that was cancelled, the message goes back.
            if request.run_id not in self._ended:
                raise
        finally:
            del self._running[key]


def _parsed(message: AbstractIncomingMessage) -> tuple[Request, str]:
    """The request, and the correlation id that its log lines carry."""
    try:
        recorded = RecordedEvent.from_cloudevent(message.body)
        event = recorded.event()
    except (ValueError, UnknownTypeError, NewerVersionError) as error:
        raise RejectedError(f"not a request that this trainer understands: {error}") from error
    if not isinstance(event, TrainingRequested | FoldRequested):
        raise RejectedError(f"a trainer has no use for {recorded.type}")
    return event, recorded.metadata.correlation_id
