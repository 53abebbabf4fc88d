"""The trainer's queue: work of its pool. A message is held, unacknowledged, for as long as its work is on this trainer.

So no work waits here while another trainer is idle, and the broker's notice that this process died is what frees it. What comes
a second time was in the hands of somebody who is gone: what of it is missing, only the orchestrator knows, so it goes back there.
"""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage

from services.trainer.training import Request, RunTrainer, TrainingStoppedError, shared_fold
from shared.bus.consumer import RejectedError
from shared.bus.telemetry import AnyCommand, DrainPool, EndRun, Held
from shared.events import FoldRequested, NewerVersionError, RecordedEvent, TrainingRequested, UnknownTypeError
from shared.telemetry import bind_log_context, get_logger

log = get_logger(__name__)

#: Runs that are over, and whose requests may still be in the queue.
_MAX_ENDED = 1_000


#: A place in the ledger: epoch and position. Later ones are larger.
Place = tuple[int, int]


@dataclass
class _Running:
    """A request that is on this trainer. `is_leaving`: its pool is drained, so it has only some seconds more."""

    task: "asyncio.Task[None]"
    place: Place
    is_leaving: bool = False


class WorkConsumer:
    """Hears what is requested and trains it, at most `max_jobs` requests in all (0: no end).

    `drain_s`: seconds that a request may go on for once its pool is drained.
    """

    def __init__(self, trainer: RunTrainer, pool: str, *, max_jobs: int = 0, drain_s: float = 0) -> None:
        self._trainer = trainer
        self._pool = pool
        self._max_jobs = max_jobs
        self._drain_s = drain_s
        self._drained_through: Place = (0, 0)
        self._taken = 0
        self._running: dict[tuple[UUID, int | None, int], _Running] = {}
        self._ended: OrderedDict[UUID, None] = OrderedDict()
        #: Set once the last request that this trainer takes is there.
        self.took_last = asyncio.Event()

    @property
    def held(self) -> tuple[Held, ...]:
        """What is on this trainer now."""
        return tuple(Held(run_id=run_id, fold=fold) for run_id, fold, _ in self._running)

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Raises `RejectedError` for what is not a request."""
        request, recorded = _parsed(message)
        about = {"submission_id": str(request.submission_id), "run_id": str(request.run_id), "fold": shared_fold(request)}
        with bind_log_context(**about, correlation_id=recorded.metadata.correlation_id):
            log.info("requested", attempt=request.attempt, redelivered=message.redelivered)
            await self._take(request, (recorded.epoch, recorded.position), came_again=bool(message.redelivered))

    async def obey(self, command: AnyCommand) -> None:
        """Do what the orchestrator says."""
        if isinstance(command, EndRun):
            self._end_run(command)
        elif command.pool == self._pool:
            self._drain(command)

    def _drain(self, command: DrainPool) -> None:
        """Give back what was requested up to that place: what is here within some seconds, what still comes at once."""
        self._drained_through = max(self._drained_through, (command.epoch, command.through))
        for running in self._running.values():
            if running.place <= self._drained_through and not running.is_leaving:
                running.is_leaving = True
                # One that has ended by then takes no notice.
                asyncio.get_running_loop().call_later(self._drain_s, running.task.cancel)

    def _end_run(self, command: EndRun) -> None:
        """The run is over: end what of it is here, and take no more of it."""
        self._ended[command.run_id] = None
        while len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)
        for (run_id, _, _), running in tuple(self._running.items()):
            if run_id == command.run_id:
                log.info("ended", run_id=str(run_id))
                running.task.cancel()

    async def _take(self, request: Request, place: Place, *, came_again: bool) -> None:
        key = (request.run_id, shared_fold(request), request.attempt)
        running = self._running.get(key)
        if running is not None:
            # The connection was lost and came back, the work went on: this message is the one to acknowledge when it is done.
            await asyncio.wait({running.task})
            with suppress(TrainingStoppedError):
                running.task.result()
        elif request.run_id in self._ended:
            log.info("over_already")
        elif came_again:
            await self._trainer.refuse(request, "redelivered")
        elif place <= self._drained_through or (self._max_jobs and self._taken >= self._max_jobs):
            await self._trainer.refuse(request, "stopping")
        else:
            self._taken += 1
            if self._taken == self._max_jobs:
                self.took_last.set()
            await self._train(key, request, place)

    async def _train(self, key: tuple[UUID, int | None, int], request: Request, place: Place) -> None:
        # A task of its own, which a command can cancel without cancelling the one that acknowledges.
        running = self._running[key] = _Running(asyncio.ensure_future(self._trainer.train(request)), place)
        try:
            await running.task
        except TrainingStoppedError as stopped:
            if request.run_id not in self._ended:
                await self._trainer.give_back(stopped.execution)
        except asyncio.CancelledError:
            # Ended before its first step, it had no time to say so. Was it this task that was cancelled, the message goes back.
            this = asyncio.current_task()
            if running.is_leaving and this is not None and not this.cancelling():
                await self._trainer.refuse(request, "stopping")
            elif request.run_id not in self._ended:
                raise
        finally:
            del self._running[key]


def _parsed(message: AbstractIncomingMessage) -> tuple[Request, RecordedEvent]:
    """The request, and the event as it was recorded."""
    try:
        recorded = RecordedEvent.from_cloudevent(message.body)
        event = recorded.event()
    except (ValueError, UnknownTypeError, NewerVersionError) as error:
        raise RejectedError(f"not a request that this trainer understands: {error}") from error
    if not isinstance(event, TrainingRequested | FoldRequested):
        raise RejectedError(f"a trainer has no use for {recorded.type}")
    return event, recorded
