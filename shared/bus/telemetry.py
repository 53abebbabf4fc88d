"""What is said in passing, by `palio.telemetry` and `palio.control`: transient, unconfirmed, never acknowledged.

Losing any of it loses nothing: heartbeats and queue positions are said again, log lines are in the log that is stored, and
what a command ends would end by itself. So nothing here may decide what becomes a fact.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal
from uuid import UUID, uuid4

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage, AbstractRobustConnection
from prometheus_client import Counter
from pydantic import Field, TypeAdapter, ValidationError

from shared.bus.connection import get_exchange
from shared.bus.reports import WORDS
from shared.bus.topology import CONTROL, ORCHESTRATOR_KEYS, TELEMETRY
from shared.events import Payload, PoolState, Service
from shared.telemetry import get_logger

log = get_logger(__name__)

#: Words of a trainer are bounded, since it may lie.
MAX_LINES_CHARS = 20_000
#: A reader that is slow loses the oldest.
_MAX_QUEUED, _MAX_QUEUED_BYTES = 5_000, 64 * 2**20
#: How often it is told in the log that a user makes no sense, in seconds: who lies can say it without end.
_COMPLAINT_EVERY_S = 60.0

SENSELESS = Counter("palio_senseless_telemetry_total", "What was said in passing and made no sense", ["user"])


class Held(Payload):
    """A request that a trainer holds: a run's first, or (`fold`) one of its shared folds."""

    run_id: UUID
    fold: int | None


class Heartbeat(Payload):
    """A trainer lives, with so many slots, and holds these requests."""

    kind: Literal["heartbeat"] = "heartbeat"
    trainer: str = Field(max_length=200, pattern=WORDS)
    slots: int = Field(ge=0, le=10_000)
    busy_slots: int = Field(ge=0, le=10_000)
    #: It takes no new work.
    is_draining: bool
    #: Seconds until it says so again.
    every_s: float = Field(5.0, gt=0, le=5.0)
    held: tuple[Held, ...] = Field(max_length=10_000)


class LogLines(Payload):
    """Something that a submission has just printed on one fold."""

    kind: Literal["log"] = "log"
    submission_id: UUID
    fold: int = Field(ge=0, lt=2**31)
    text: str = Field(max_length=MAX_LINES_CHARS)


class QueuePlace(Payload):
    """Where a submission stands in its pool's queue; the first is 1. The wait is None while nobody can tell."""

    submission_id: UUID
    position: int = Field(ge=1)
    estimated_wait_s: float | None = Field(ge=0)


class QueueSnapshot(Payload):
    """A pool as the orchestrator sees it: the places of all whose training has not begun, and how many jobs are where.

    Jobs wait, are requested of trainers, or are under way on one.
    """

    kind: Literal["queue"] = "queue"
    pool: str
    places: tuple[QueuePlace, ...]
    state: PoolState = "open"
    #: What an administrator said for those who wait.
    reason: str = ""
    #: The ledger position of the newest decision on the pool that this knows of; 0 for none.
    decided_at_position: int = 0
    waiting: int = 0
    requested: int = 0
    under_way: int = 0
    trainers: int = 0
    slots: int = 0


AnyTelemetry = Heartbeat | LogLines | QueueSnapshot
_TELEMETRY: TypeAdapter[AnyTelemetry] = TypeAdapter(Annotated[AnyTelemetry, Field(discriminator="kind")])


class EndRun(Payload):
    """To all trainers: this run is over, end what you run of it. It was withdrawn, or one of its folds failed."""

    kind: Literal["end-run"] = "end-run"
    run_id: UUID


class DrainPool(Payload):
    """To a pool's trainers: give back whatever was requested up to this place in the ledger, and is not finished soon.

    What is requested later, since the pool was resumed, is not meant: so a command that comes late does no harm.
    """

    kind: Literal["drain-pool"] = "drain-pool"
    pool: str
    epoch: int
    through: int


AnyCommand = EndRun | DrainPool
_COMMAND: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="kind")])


class Whisperer:
    """Says things in passing, with one topic prefix: a pool's name, or the orchestrator's."""

    def __init__(self, telemetry: AbstractExchange, prefix: str) -> None:
        self._telemetry = telemetry
        self._prefix = prefix

    @classmethod
    async def open(cls, connection: AbstractRobustConnection, prefix: str) -> "Whisperer":
        """On a channel of its own, without confirms."""
        channel = await connection.channel(publisher_confirms=False)
        return cls(await get_exchange(channel, TELEMETRY), prefix)

    async def say(self, said: AnyTelemetry, user: str) -> None:
        """Say it; whoever listens hears it. Raises what a broker that is away raises."""
        await self._telemetry.publish(_message(said, user), routing_key=f"{self._prefix}.{said.kind}", mandatory=False)


def _message(said: Payload, user: str) -> aio_pika.Message:
    # The broker refuses another name than the one that this connection logged in with.
    return aio_pika.Message(said.model_dump_json().encode(), user_id=user, content_type="application/json", expiration=30)


async def hear_telemetry(
    connection: AbstractRobustConnection,
    service: Service,
    routing_keys: tuple[str, ...],
    heard: Callable[[AnyTelemetry, str], Awaitable[None]],
) -> None:
    """From now on, call `heard` with what is said under these keys, and the user who said it, as the broker has verified."""
    queue = await _own_queue(connection, f"{service}.telemetry", TELEMETRY, routing_keys)
    complained_at: dict[str, float] = {}

    async def take(message: AbstractIncomingMessage) -> None:
        user = message.user_id or ""
        try:
            said = _TELEMETRY.validate_json(message.body)
        except ValidationError:
            SENSELESS.labels(user).inc()
            now = time.monotonic()
            # Users are those that the broker knows.
            if now - complained_at.get(user, float("-inf")) > _COMPLAINT_EVERY_S:
                complained_at[user] = now
                log.warning("senseless_telemetry", user=user, routing_key=message.routing_key)
            return
        # A pool's name in the key is what the broker lets this user write: both say who speaks.
        if isinstance(said, QueueSnapshot) == (user == Service.ORCHESTRATOR.value):
            await heard(said, user)

    await queue.consume(take, no_ack=True)


async def hear_commands(connection: AbstractRobustConnection, pool: str, heard: Callable[[AnyCommand], Awaitable[None]]) -> None:
    """From now on, call `heard` with each command to trainers."""
    queue = await _own_queue(connection, f"trainer.{pool}.control", CONTROL, ("",))

    async def take(message: AbstractIncomingMessage) -> None:
        try:
            command = _COMMAND.validate_json(message.body)
        except ValidationError:
            log.warning("senseless_command", user=message.user_id)
            return
        await heard(command)

    await queue.consume(take, no_ack=True)


async def _own_queue(
    connection: AbstractRobustConnection, prefix: str, exchange: str, routing_keys: tuple[str, ...]
) -> aio_pika.abc.AbstractQueue:
    """A queue of this process, which goes with its connection and is made again with it."""
    channel = await connection.channel()
    queue = await channel.declare_queue(
        f"{prefix}.{uuid4().hex[:12]}",
        exclusive=True,
        auto_delete=True,
        arguments={"x-max-length": _MAX_QUEUED, "x-max-length-bytes": _MAX_QUEUED_BYTES, "x-overflow": "drop-head"},
    )
    source = await get_exchange(channel, exchange)
    for key in routing_keys:
        await queue.bind(source, key)
    return queue


class Commander:
    """Tells all trainers at once."""

    def __init__(self, control: AbstractExchange) -> None:
        self._control = control

    @classmethod
    async def open(cls, connection: AbstractRobustConnection) -> "Commander":
        """On a channel of its own, without confirms: nobody may be listening."""
        channel = await connection.channel(publisher_confirms=False)
        return cls(await get_exchange(channel, CONTROL))

    async def end_run(self, run_id: UUID) -> None:
        """A run is over. Raises what a broker that is away raises."""
        await self._tell(EndRun(run_id=run_id))

    async def drain(self, pool: str, epoch: int, through: int) -> None:
        """What was requested of a pool up to a place in the ledger is to come back. Raises what a broker that is away raises."""
        await self._tell(DrainPool(pool=pool, epoch=epoch, through=through))

    async def _tell(self, command: AnyCommand) -> None:
        await self._control.publish(_message(command, Service.ORCHESTRATOR), routing_key="", mandatory=False)


#: Keys under which the orchestrator speaks of queues, and trainers of any pool of themselves and of their logs.
QUEUE_KEY = f"{ORCHESTRATOR_KEYS}.queue"
HEARTBEAT_KEY = "*.heartbeat"
LOG_KEY = "*.log"
