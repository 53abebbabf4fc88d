"""Puts the orchestrator together and runs it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from aio_pika.abc import AbstractChannel, AbstractRobustConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from services.orchestrator.consumer import EventConsumer, ReportConsumer
from services.orchestrator.dead_letters.consumer import DeadLetterConsumer
from services.orchestrator.lost import LostWork, ReadyMessages
from services.orchestrator.projection import HANDLERS
from services.orchestrator.reminders import QueueState, Reminders
from services.orchestrator.scheduler import Scheduler
from services.orchestrator.silence import SilenceWatch
from services.orchestrator.trainers import Trainers
from shared.bus.connection import connect
from shared.bus.consumer import Consumer
from shared.bus.service import run_bus_service
from shared.bus.telemetry import HEARTBEAT_KEY, Commander, Whisperer, hear_telemetry
from shared.bus.topology import DEAD_LETTERS, ORCHESTRATOR_KEYS, REPORTS_QUEUE, event_queue, trainer_queue
from shared.database import make_engine
from shared.events import Service
from shared.ledger import Projection
from shared.settings import OrchestratorSettings
from shared.telemetry import Readiness, configure_logging, get_logger

log = get_logger(__name__)

#: What arrives while others are appended is appended together.
REPORTS_AT_ONCE = 100
#: Events only wake the scheduler: many at once are one look.
EVENTS_AT_ONCE = 50


def main() -> None:
    """Orchestrate until SIGTERM."""
    settings = OrchestratorSettings()
    configure_logging("orchestrator", settings.log_level)
    readiness = Readiness()
    readiness.blocked("start", "connecting")
    engine = make_engine(settings)
    trainers = Trainers()
    projection = Projection("orchestrator", engine, HANDLERS, readiness)
    # Empty until the broker is there.
    pages: dict[str, Callable[[], bytes]] = {"/queue": lambda: b'{"pools": {}}', "/silence": lambda: b"{}"}

    async def orchestrate() -> None:
        connection = await connect(settings, "orchestrator")
        async with connection, asyncio.TaskGroup() as tasks:
            ready = await ready_messages(connection)
            lost = LostWork(
                engine,
                trainers,
                ready,
                max_attempts=settings.max_attempts,
                lost_after_s=settings.lost_after_s,
                overdue_after_s=settings.overdue_after_s,
            )
            silence = SilenceWatch(
                engine, trainers, ready, overdue_after_s=settings.overdue_after_s, bound_s=settings.silence_bound_s
            )
            reminders = Reminders(
                engine,
                await scorers_queue(connection),
                idle_after_s=settings.lost_after_s,
                unprepared_after_s=settings.unprepared_after_s,
                unscored_after_s=settings.unscored_after_s,
            )
            scheduler = Scheduler(engine, projection, trainers, (lost.look, reminders.look, silence.look), readiness)
            pages.update({"/queue": scheduler.state, "/silence": silence.page})
            await hear_telemetry(connection, Service.ORCHESTRATOR, (HEARTBEAT_KEY,), trainers.hear)
            commander = await Commander.open(connection)
            events = EventConsumer(engine, scheduler, commander)
            dead_letters = DeadLetterConsumer(engine)
            tasks.create_task(dead_letters.count())
            reports = ReportConsumer(engine, settings.max_attempts, scheduler, commander)
            tasks.create_task(scheduler.run(await Whisperer.open(connection, ORCHESTRATOR_KEYS), commander))
            queues = {event_queue(Service.ORCHESTRATOR): (events.handle, EVENTS_AT_ONCE)}
            queues[REPORTS_QUEUE] = (reports.handle, REPORTS_AT_ONCE)
            # One at a time: each may push out the oldest.
            queues[DEAD_LETTERS] = (dead_letters.handle, 1)
            for queue, (handler, at_once) in queues.items():
                tasks.create_task(Consumer(connection, queue, handler, readiness, prefetch=at_once).run())
            readiness.clear("start")

    run_bus_service(settings, readiness, orchestrate, pages)


async def ready_messages(connection: AbstractRobustConnection) -> ReadyMessages:
    """Asks the broker how much is ready in a pool's queue; nothing is in one that is not there."""

    async def ready(pool: str) -> int:
        # A channel each: the broker closes it if there is no such queue, and the next question would come while it opens itself anew.
        channel = await connection.channel()
        try:
            return (await _state_of(channel, trainer_queue(pool))).ready
        except ChannelNotFoundEntity:
            # A pool that left the broker's definitions while it had work. It must not keep other pools' lost work from being found, nor
            # any silence, its own too, from being measured.
            log.error("no_queue", pool=pool)
            return 0
        finally:
            await channel.close()

    return ready


async def scorers_queue(connection: AbstractRobustConnection) -> Callable[[], Awaitable[QueueState]]:
    """Asks the broker how the scorers' queue stands."""
    channel = await connection.channel()
    return partial(_state_of, channel, event_queue(Service.SCORER))


async def _state_of(channel: AbstractChannel, name: str) -> QueueState:
    queue = await channel.declare_queue(name, passive=True)
    said = queue.declaration_result
    return QueueState(int(said.message_count or 0), int(said.consumer_count or 0))
