"""The broker dies while the relay publishes: nothing is lost, and nothing comes before what was recorded before it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue
from aio_pika.exceptions import AMQPError
from sqlalchemy import create_engine

from deploy.local.stack import Stack
from shared.bus.topology import event_queue
from shared.events import JoinApproved, Metadata, RecordedEvent, Service
from shared.ledger import NewEvent, append
from shared.migrations.roles import role_of
from tests.conftest import temporary_stack
from tests.support.relays import running_relay
from tests.support.waiting import wait_until

N_EVENTS = 8_000
#: Some of the batches are through, most are not.
N_BEFORE_THE_DEATH = 1_200
QUEUE = event_queue(Service.LEADERBOARD)


async def ready_messages(stack: Stack) -> int | None:
    """How many messages a consumer's queue holds; None while the broker is away."""
    try:
        async with await aio_pika.connect(stack.rabbitmq.url("operator"), timeout=10) as connection:
            queue = await (await connection.channel()).declare_queue(QUEUE, passive=True)
            return queue.declaration_result.message_count
    except (AMQPError, OSError):
        return None


async def positions_in(stack: Stack, last: int) -> list[int]:
    """What a consumer gets, in its order, up to the last."""
    found: list[int] = []
    async with await aio_pika.connect(stack.rabbitmq.url("operator")) as connection:
        queue: AbstractQueue = await (await connection.channel()).get_queue(QUEUE, ensure=False)
        async with asyncio.timeout(60), queue.iterator(no_ack=True) as messages:
            async for message in messages:
                found.append(RecordedEvent.from_cloudevent(message.body).position)
                if found[-1] == last:
                    break
    return found


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Servers without services."""
    with temporary_stack("relay-broker") as servers:
        servers.start_servers()
        servers.migrate()
        yield servers


def append_joins(stack: Stack) -> tuple[int, int]:
    """Append them; returns the positions of the first and the last."""
    engine = create_engine(stack.postgres.url(role_of("ingest"), stack.credentials.database()["ingest"]))
    position = 0
    for _ in range(N_EVENTS // 1000):
        with engine.begin() as connection:
            joins = [
                NewEvent(JoinApproved(challenge_id="iris", team_id=uuid4()), Metadata(correlation_id="x")) for _ in range(1000)
            ]
            position = append(connection, joins).position
    engine.dispose()
    return position - N_EVENTS + 1, position


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_broker_that_is_restarted_in_mid_batch_loses_and_reorders_nothing(how: str, stack: Stack) -> None:
    first, last = append_joins(stack)
    environment = {**stack.services.environment("relay"), "PALIO_RELAY_BATCH": "1000"}
    with running_relay(environment) as relay:
        wait_until(lambda: (asyncio.run(ready_messages(stack)) or 0) > N_BEFORE_THE_DEATH, "the relay to be at it")
        before = relay.metric("palio_relay_position")
        if how == "killed":
            pid = stack.supervisor.pid("rabbitmq")
            assert pid is not None
            # The supervisor starts it again by itself.
            os.kill(pid, signal.SIGKILL)
        else:
            stack.supervisor.stop_program("rabbitmq")
            stack.supervisor.start_program("rabbitmq")
        assert before is not None
        assert before < last, "the broker died too late to test anything"
        wait_until(lambda: relay.metric("palio_relay_position") == last, "the relay to be done")
        wait_until(lambda: '"ready"' in relay.readiness(), "the relay to say that all is well")
    found = asyncio.run(positions_in(stack, last))
    first_occurrences = list(dict.fromkeys(found))
    assert first_occurrences == list(range(first, last + 1))
