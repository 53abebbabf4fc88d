"""Telemetry and commands over a real broker: who may say and hear what, and that none of it stays anywhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from services.orchestrator.main import ready_messages
from services.trainer.consumer import WorkConsumer
from services.trainer.main import consume
from services.trainer.training import RunTrainer
from shared.bus import telemetry
from shared.bus.connection import connect
from shared.bus.telemetry import (
    HEARTBEAT_KEY,
    LOG_KEY,
    QUEUE_KEY,
    AnyTelemetry,
    Commander,
    EndRun,
    Heartbeat,
    LogLines,
    QueueSnapshot,
    Whisperer,
    hear_commands,
    hear_telemetry,
)
from shared.bus.topology import MAX_MESSAGE_BYTES, ORCHESTRATOR_KEYS, REPORTS, TELEMETRY
from shared.events import Service
from shared.settings import BusSettings, TrainerSettings
from shared.telemetry import Readiness
from tests.support.waiting import wait_for

POOL = "default"
BEAT = Heartbeat(trainer="t", slots=2, busy_slots=1, is_draining=False, held=())
QUEUE = QueueSnapshot(pool=POOL, places=())
Connect = Callable[[str], "asyncio.Future[AbstractRobustConnection]"]


@pytest.fixture
async def connected(amqp_url: Callable[[str], str]) -> AsyncIterator[Callable[[str], object]]:
    """Connects as a user; closed after the test."""
    connections: list[AbstractRobustConnection] = []

    async def connected(user: str) -> AbstractRobustConnection:
        connections.append(await connect(BusSettings.model_validate({"amqp_url": amqp_url(user)}), f"test {user}"))
        return connections[-1]

    yield connected
    for connection in connections:
        await connection.close()


async def test_each_hears_what_it_asked_for_from_whom_the_broker_verified(connected: Connect) -> None:
    heard: list[tuple[str, AnyTelemetry]] = []

    async def hear(said: AnyTelemetry, user: str) -> None:
        heard.append((user, said))

    await hear_telemetry(await connected("leaderboard"), Service.LEADERBOARD, (QUEUE_KEY, LOG_KEY), hear)
    await hear_telemetry(await connected("orchestrator"), Service.ORCHESTRATOR, (HEARTBEAT_KEY,), hear)
    trainer = await Whisperer.open(await connected("trainer-default"), POOL)
    orchestrator = await Whisperer.open(await connected("orchestrator"), ORCHESTRATOR_KEYS)
    lines = LogLines(submission_id=uuid4(), fold=0, text="epoch 1")
    await trainer.say(BEAT, "trainer-default")
    await trainer.say(lines, "trainer-default")
    await orchestrator.say(QUEUE, "orchestrator")
    await wait_for(lambda: len(heard) == 3, "everything to be heard")
    assert sorted(heard, key=repr) == sorted(
        [("trainer-default", BEAT), ("trainer-default", lines), ("orchestrator", QUEUE)], key=repr
    )


async def test_a_trainer_can_neither_speak_as_the_orchestrator_nor_for_another_pool_nor_listen(connected: Connect) -> None:
    forged = (
        (ORCHESTRATOR_KEYS, "trainer-default"),
        ("another-pool", "trainer-default"),
        (POOL, "orchestrator"),
    )
    for prefix, user in forged:
        connection = await connected("trainer-default")
        channel = await connection.channel()
        exchange = await channel.get_exchange("palio.telemetry", ensure=False)
        message = aio_pika.Message(BEAT.model_dump_json().encode(), user_id=user)
        with pytest.raises((AMQPError, ChannelInvalidStateError)):
            await exchange.publish(message, routing_key=f"{prefix}.heartbeat", timeout=10)
    with pytest.raises(AMQPError):
        await hear_telemetry(await connected("trainer-default"), Service.LEADERBOARD, (LOG_KEY,), None)  # type: ignore[arg-type]


async def test_a_command_reaches_every_trainer_and_trainers_can_give_none(connected: Connect) -> None:
    heard: list[EndRun] = []

    async def hear(command: EndRun) -> None:
        heard.append(command)

    for _ in range(2):
        await hear_commands(await connected("trainer-default"), POOL, hear)
    run_id = uuid4()
    await (await Commander.open(await connected("orchestrator"))).end_run(run_id)
    await wait_for(lambda: len(heard) == 2, "both trainers to hear it")
    assert heard == [EndRun(run_id=run_id)] * 2
    connection = await connected("trainer-default")
    channel = await connection.channel()
    control = await channel.get_exchange("palio.control", ensure=False)
    with pytest.raises((AMQPError, ChannelInvalidStateError)):
        await control.publish(aio_pika.Message(b"{}"), routing_key="", timeout=10)


async def test_what_makes_no_sense_is_passed_over(connected: Connect) -> None:
    heard: list[AnyTelemetry] = []

    async def hear(said: AnyTelemetry, _user: str) -> None:
        heard.append(said)

    await hear_telemetry(await connected("orchestrator"), Service.ORCHESTRATOR, (HEARTBEAT_KEY,), hear)
    channel = await (await connected("trainer-default")).channel()
    exchange = await channel.get_exchange("palio.telemetry", ensure=False)
    for body in (b"", b"\xff", b"{}", QUEUE.model_dump_json().encode(), BEAT.model_dump_json().encode()):
        message = aio_pika.Message(body, user_id="trainer-default")
        await exchange.publish(message, routing_key=f"{POOL}.heartbeat")
    await wait_for(lambda: bool(heard), "the one that makes sense")
    assert heard == [BEAT]


async def test_who_makes_no_sense_without_end_is_complained_of_once(connected: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[AnyTelemetry] = []
    complaints: list[str] = []
    monkeypatch.setattr(telemetry.log, "warning", lambda event, **_more: complaints.append(event))

    async def hear(said: AnyTelemetry, _user: str) -> None:
        heard.append(said)

    await hear_telemetry(await connected("orchestrator"), Service.ORCHESTRATOR, (HEARTBEAT_KEY,), hear)
    channel = await (await connected("trainer-default")).channel()
    exchange = await channel.get_exchange("palio.telemetry", ensure=False)
    for body in (*[b"senseless"] * 50, BEAT.model_dump_json().encode()):
        await exchange.publish(aio_pika.Message(body, user_id="trainer-default"), routing_key=f"{POOL}.heartbeat")
    await wait_for(lambda: bool(heard), "the one that makes sense")
    assert complaints == ["senseless_telemetry"]


async def test_a_message_that_would_fill_the_memory_of_whoever_takes_it_is_refused(connected: Connect) -> None:
    channel = await (await connected("trainer-default")).channel()
    for name in (TELEMETRY, REPORTS):
        exchange = await channel.get_exchange(name, ensure=False)
        message = aio_pika.Message(bytes(MAX_MESSAGE_BYTES + 1), user_id="trainer-default")
        with pytest.raises((AMQPError, ChannelInvalidStateError)):
            await exchange.publish(message, routing_key=f"{POOL}.heartbeat", timeout=10)


async def test_the_orchestrator_may_ask_how_much_waits_in_a_pools_queue(connected: Connect) -> None:
    ready = await ready_messages(await connected("orchestrator"))
    assert await ready(POOL) >= 0


async def test_a_pool_whose_queue_is_gone_holds_nothing_and_does_not_keep_the_others_from_being_asked(connected: Connect) -> None:
    ready = await ready_messages(await connected("orchestrator"))
    for _ in range(20):
        assert await ready("pool-of-last-year") == 0
        assert await ready(POOL) >= 0


async def test_a_trainer_whose_heartbeat_breaks_ends_to_be_started_anew(connected: Connect) -> None:
    async def breaks() -> None:
        raise RuntimeError("a heartbeat that broke")

    # Nothing is requested of it.
    consumer, settings = (
        WorkConsumer(cast("RunTrainer", None), POOL),
        TrainerSettings.model_construct(pool=POOL, slots=1, drain_s=0),
    )
    beating, draining = asyncio.create_task(breaks()), asyncio.Event()
    with pytest.raises(RuntimeError, match="a heartbeat that broke"):
        async with asyncio.timeout(10):
            await consume(settings, await connected("trainer-default"), consumer, Readiness(), draining, beating)
    assert draining.is_set()
