"""A trainer that was broken into, at RabbitMQ: with the user of pool `default`, whatever is another's is refused.

What it can do all the same stands in docs/security.md, "What a trainer could do if it were broken into".
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed
from sqlalchemy import Row, create_engine, text
from sqlalchemy.pool import NullPool

from deploy.local.stack import Stack
from shared.bus.topology import CONTROL, DEAD_LETTERS, EVENT_CONSUMERS, EVENTS, REPORTS, REPORTS_QUEUE, TELEMETRY, event_queue
from shared.runs import run_id_of
from tests.support.waiting import wait_until

LIAR, OTHER = "trainer-default", "trainer-unserved"
USAGE = {"train_time_s": 1.0, "valid_time_s": 1.0, "test_time_s": 1.0, "peak_memory_bytes": 1}
Attempt = Callable[[AbstractChannel], Awaitable[object]]


@pytest.fixture
async def liar(platform: Stack) -> AsyncIterator[AbstractConnection]:
    """The broker, as the trainers of pool `default` are known there."""
    async with await aio_pika.connect(platform.rabbitmq.url(LIAR)) as connection:
        yield connection


@pytest.fixture
async def operator(platform: Stack) -> AsyncIterator[AbstractChannel]:
    """The broker, as its operator."""
    async with await aio_pika.connect(platform.rabbitmq.url("operator")) as connection:
        yield await connection.channel()


def report(submission_id: str, kind: str = "failed", **more: object) -> bytes:
    """What a trainer says of a submission's run."""
    about: dict[str, object] = {
        "run_id": str(run_id_of(UUID(submission_id))),
        "submission_id": submission_id,
        "attempt": 1,
        "execution_id": str(uuid4()),
        "kind": kind,
    }
    if kind == "failed":
        about |= {"outcome": "train_error", "reason": "a lie", "fold": 0, "traceback_digest": None, "log_digest": None}
    return json.dumps(about | more).encode()


async def said(
    channel: AbstractChannel, body: bytes, *, exchange: str = REPORTS, key: str = "default.failed", user: str | None = LIAR
) -> None:
    """Publish, and wait for the broker's word on it."""
    message = aio_pika.Message(body, user_id=user, content_type="application/json")
    if exchange:
        target = await channel.get_exchange(exchange, ensure=False)
    else:
        target = channel.default_exchange
    await target.publish(message, routing_key=key, timeout=10)


def events_of(platform: Stack, submission_id: str) -> list[str]:
    """The types of all events of a submission's run and of its score."""
    run_id = run_id_of(UUID(submission_id))
    owner = create_engine(platform.postgres.owner_url(), poolclass=NullPool)
    with owner.connect() as connection:
        statement = text("SELECT type FROM ledger.events WHERE stream IN (:run, :score) ORDER BY position")
        rows = connection.execute(statement, {"run": f"run-{run_id}", "score": f"score-{run_id}"})
        return list(rows.scalars())


def dead_letter(platform: Stack, lie: bytes) -> Row[Any]:
    """A report, once the orchestrator keeps it among the dead letters."""
    owner = create_engine(platform.postgres.owner_url(), poolclass=NullPool)
    statement = text("SELECT queue, reason, headers FROM orchestrator.dead_letters WHERE body = :lie")

    def look() -> Row[Any] | None:
        with owner.connect() as connection:
            return connection.execute(statement, {"lie": lie}).one_or_none()

    found = wait_until(look, "the lie among the dead letters")
    assert found is not None
    return found


async def burial_of(platform: Stack, lie: bytes) -> str:
    """The reason for which a report is among the dead letters."""
    return str((await asyncio.to_thread(dead_letter, platform, lie)).reason)


@pytest.mark.parametrize("kind", ["started", "fold-trained", "failed"])
async def test_it_can_not_report_for_another_pools_run(
    liar: AbstractConnection, operator: AbstractChannel, platform: Stack, others_submission: str, kind: str
) -> None:
    more: dict[str, dict[str, object]] = {
        "started": {"trainer": "a liar", "shared_fold": None},
        "fold-trained": {"fold": 0, "predictions_digest": "a" * 64, "log_digest": "b" * 64, "usage": USAGE},
        "failed": {},
    }
    before = events_of(platform, others_submission)
    lie = report(others_submission, kind, **more[kind])
    await said(await liar.channel(), lie, key=f"default.{kind}")
    assert "belongs to pool unserved" in await burial_of(platform, lie)
    assert events_of(platform, others_submission) == before


async def test_a_report_without_a_name_is_nobodys(
    liar: AbstractConnection, operator: AbstractChannel, platform: Stack, others_submission: str
) -> None:
    before = events_of(platform, others_submission)
    lie = report(others_submission)
    await said(await liar.channel(), lie, user=None)
    assert "belongs to pool unserved" in await burial_of(platform, lie)
    assert events_of(platform, others_submission) == before


@pytest.mark.parametrize("name", [OTHER, "operator", "orchestrator", "relay", "guest"])
async def test_it_can_not_speak_in_anothers_name(liar: AbstractConnection, others_submission: str, name: str) -> None:
    channel = await liar.channel()
    with pytest.raises(ChannelPreconditionFailed):
        await said(channel, report(others_submission), user=name)


@pytest.mark.parametrize(
    ("exchange", "key"),
    [
        (REPORTS, "unserved.failed"),
        (REPORTS, "defaultx.failed"),
        (REPORTS, "failed"),
        (TELEMETRY, "unserved.heartbeat"),
        (EVENTS, "TrainingFinished"),
        (EVENTS, "TrainingRequested.default"),
        (EVENTS, "ScoreComputed"),
        (CONTROL, ""),
        ("", REPORTS_QUEUE),
        ("", "trainer.unserved"),
        ("", "trainer.default"),
        *(("", event_queue(service)) for service in EVENT_CONSUMERS),
        ("amq.topic", "default.failed"),
        ("amq.direct", "x"),
    ],
)
async def test_it_can_not_publish_anything_but_its_own_reports(
    liar: AbstractConnection, others_submission: str, exchange: str, key: str
) -> None:
    channel = await liar.channel()
    with pytest.raises(ChannelAccessRefused):
        await said(channel, report(others_submission), exchange=exchange, key=key)


@pytest.mark.parametrize(
    "queue", [REPORTS_QUEUE, "trainer.unserved", DEAD_LETTERS, *(event_queue(service) for service in EVENT_CONSUMERS)]
)
async def test_it_can_not_read_empty_or_remove_others_queues(liar: AbstractConnection, queue: str) -> None:
    async def hear(_message: AbstractIncomingMessage) -> None:
        pytest.fail("it hears what is said to others")

    async def consume(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).consume(hear)

    async def get(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).get(fail=False)

    async def purge(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).purge()

    async def delete(channel: AbstractChannel) -> None:
        await channel.queue_delete(queue)

    for attempt in (consume, get, purge, delete):
        channel = await liar.channel()
        with pytest.raises(ChannelAccessRefused):
            await attempt(channel)


OWN = "trainer.default.control.liar"
TOPOLOGY: dict[str, Attempt] = {
    "a queue": lambda channel: channel.declare_queue("mine"),
    "a queue of another pool": lambda channel: channel.declare_queue("trainer.unserved.control.liar"),
    "a nameless queue": lambda channel: channel.declare_queue(""),
    "an exchange": lambda channel: channel.declare_exchange("mine"),
    "a queue whose dead letters are events": lambda channel: channel.declare_queue(
        OWN, arguments={"x-dead-letter-exchange": EVENTS}, auto_delete=True
    ),
    "a queue whose dead letters go by name": lambda channel: channel.declare_queue(
        OWN, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": REPORTS_QUEUE}, auto_delete=True
    ),
    "an exchange that hands on to events": lambda channel: channel.declare_exchange(
        OWN, arguments={"alternate-exchange": EVENTS}, auto_delete=True
    ),
    "no events": lambda channel: channel.exchange_delete(EVENTS),
    "no reports": lambda channel: channel.exchange_delete(REPORTS),
}


@pytest.mark.parametrize("what", TOPOLOGY)
async def test_it_can_not_make_or_remove_what_others_use(liar: AbstractConnection, what: str) -> None:
    channel = await liar.channel()
    with pytest.raises(ChannelAccessRefused):
        await TOPOLOGY[what](channel)


@pytest.mark.parametrize("source", [EVENTS, REPORTS, TELEMETRY, DEAD_LETTERS])
async def test_it_can_not_have_what_others_hear_sent_to_itself(liar: AbstractConnection, source: str) -> None:
    channel = await liar.channel()
    queue = await channel.declare_queue(OWN, exclusive=True)
    with pytest.raises(ChannelAccessRefused):
        await queue.bind(source, "#")


@pytest.mark.parametrize("target", [EVENTS, CONTROL])
async def test_it_can_not_send_to_others_by_an_exchange_of_its_own(liar: AbstractConnection, target: str) -> None:
    channel = await liar.channel()
    own = await channel.declare_exchange(OWN, "topic", auto_delete=True)
    destination = await channel.get_exchange(target, ensure=False)
    with pytest.raises(ChannelAccessRefused):
        await destination.bind(own, "#")
    await (await liar.channel()).exchange_delete(OWN)


async def test_a_detour_around_the_routing_key_does_not_change_whose_words_they_are(
    liar: AbstractConnection, operator: AbstractChannel, platform: Stack, others_submission: str
) -> None:
    # An exchange of its own may feed the reports under any key: the key proves nothing, the name that the broker checked does.
    channel = await liar.channel()
    own = await channel.declare_exchange(OWN, "topic", auto_delete=True)
    reports = await channel.get_exchange(REPORTS, ensure=False)
    await reports.bind(own, "#")
    before = events_of(platform, others_submission)
    lie = report(others_submission)
    await said(channel, lie, exchange=OWN, key="unserved.failed")
    assert "belongs to pool unserved" in await burial_of(platform, lie)
    assert events_of(platform, others_submission) == before
    with pytest.raises(ChannelPreconditionFailed):
        await said(channel, lie, exchange=OWN, key="unserved.failed", user=OTHER)
    await (await liar.channel()).exchange_delete(OWN)


async def test_what_it_can_do_and_the_security_page_says(
    liar: AbstractConnection, platform: Stack, others_submission: str
) -> None:
    # It hears of everybody's withdrawals, and may write among the dead letters: where they came from is not to be believed.
    channel = await liar.channel()
    queue = await channel.declare_queue(OWN, exclusive=True)
    await queue.bind(CONTROL)
    lie = report(others_submission)
    await said(channel, lie, exchange=DEAD_LETTERS)
    kept = await asyncio.to_thread(dead_letter, platform, lie)
    assert "palio-reason" not in kept.headers
    assert kept.queue is None, "nobody will put it into a queue by mistake"
