"""The trainer's queue: work of its pool. A message is held, unacknowledged, for as long as its run is on this trainer.

So no work waits here while another trainer is idle, and the broker's notice that this process died is what frees it.
"""

from aio_pika.abc import AbstractIncomingMessage

from services.trainer.training import RunTrainer
from shared.bus.consumer import RejectedError
from shared.events import NewerVersionError, RecordedEvent, TrainingRequested, UnknownTypeError
from shared.telemetry import bind_log_context, get_logger

log = get_logger(__name__)


class WorkConsumer:
    """Hears of requested runs and trains them."""

    def __init__(self, trainer: RunTrainer) -> None:
        self._trainer = trainer

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Raises `RejectedError` for what is not a request for training."""
        try:
            recorded = RecordedEvent.from_cloudevent(message.body)
            event = recorded.event()
        except (ValueError, UnknownTypeError, NewerVersionError) as error:
            raise RejectedError(f"not a request that this trainer understands: {error}") from error
        if not isinstance(event, TrainingRequested):
            raise RejectedError(f"a trainer has no use for {recorded.type}")
        with bind_log_context(
            submission_id=str(event.submission_id), run_id=str(event.run_id), correlation_id=recorded.metadata.correlation_id
        ):
            log.info("training", attempt=event.attempt, redelivered=message.redelivered)
            await self._trainer.train(event)
