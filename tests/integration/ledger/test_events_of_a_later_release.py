"""Events that a later release appended: of a type that this one does not know, skipped and counted; newer versions stop who reads them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from prometheus_client import REGISTRY
from sqlalchemy import Engine, text

from services.orchestrator.consumer import EventConsumer
from services.orchestrator.scheduler import Scheduler
from services.scorer.consumer import ScorerConsumer, _what_was_trained
from services.scorer.preparation import ProblemPreparer
from services.scorer.rescoring import Rescorer
from services.scorer.scoring import RunScorer
from shared.artefacts import Store
from shared.bus.doorbell import Doorbell
from shared.bus.telemetry import Commander
from shared.bus.topology import EVENTS, event_queue
from shared.events import (
    EVENT_TYPES,
    Event,
    NewerVersionError,
    RecordedEvent,
    ScoreComputed,
    Service,
    TrainingFinished,
    UnknownTypeError,
)
from shared.ledger import NewEvent, Projection, append, head_position, read_after, read_stream
from shared.ledger.read_model import read_models
from shared.prepared_problems import newest_prepared
from shared.runs import has_failed, run_id_of
from shared.telemetry import Readiness
from tests.support.goldens import golden
from tests.support.histories import CHALLENGE, METADATA, History

FOLLOWERS = sorted(name for name, model in read_models().items() if model.follows)
Append = Callable[..., RecordedEvent]
Handler = Callable[[AbstractIncomingMessage], Awaitable[None]]


@pytest.fixture
def append_unknown(owner: Engine, engine_of: Callable[[str], Engine]) -> Append:
    """Appends an event of a type that only a later release knows to a stream."""
    with owner.begin() as connection:
        connection.execute(text("INSERT INTO ledger.appenders VALUES ('palio_ingest', 'ThingHappened')"))
    statement = text(
        "SELECT new_position FROM ledger.append(ARRAY[gen_random_uuid()], ARRAY[:stream], ARRAY[CAST(NULL AS bigint)],"
        " ARRAY['ThingHappened'], ARRAY[7], ARRAY[:data], ARRAY[:metadata])"
    )

    def append_it(stream: str) -> RecordedEvent:
        values = {"stream": stream, "data": '{"a": 1}', "metadata": METADATA.model_dump_json(exclude_none=True)}
        with engine_of("ingest").begin() as connection:
            position = connection.execute(statement, values).scalar_one()
        with engine_of("ingest").connect() as connection:
            return read_after(connection, position - 1, 1)[0]

    return append_it


@pytest.fixture
def append_newer(engine_of: Callable[[str], Engine], monkeypatch: pytest.MonkeyPatch) -> Append:
    """Appends an event as a release would in which its type has a further version."""

    def append_it(service: str, event: Event) -> RecordedEvent:
        engine = engine_of(service)
        with monkeypatch.context() as future:
            future.setattr(type(event), "schema_version", type(event).schema_version + 1)
            with engine.begin() as connection:
                position = append(connection, [NewEvent(event, METADATA)]).position
        with engine.connect() as connection:
            return read_after(connection, position - 1, 1)[0]

    return append_it


def projection_of(name: str, engine_of: Callable[[str], Engine], readiness: Readiness) -> Projection:
    return Projection(name, engine_of(name), read_models()[name].handlers, readiness)


def skipped(name: str) -> float:
    return REGISTRY.get_sample_value("palio_projection_unknown_events_total", {"projection": name}) or 0


@pytest.mark.parametrize("name", FOLLOWERS)
def test_a_read_model_skips_an_unknown_type_and_counts_it(
    name: str, engine_of: Callable[[str], Engine], append_unknown: Append
) -> None:
    readiness = Readiness()
    before = skipped(name)
    position = append_unknown("thing-1").position
    assert projection_of(name, engine_of, readiness).catch_up() == position
    assert skipped(name) == before + 1
    assert readiness.obstacles() == {}


@pytest.mark.parametrize(
    ("name", "service", "event_type"),
    [(name, min(kind.appended_by), kind.__name__) for name in FOLLOWERS for kind in read_models()[name].handlers],
)
def test_a_newer_version_stops_a_read_model_there_keeps_what_came_before_and_asks_for_an_upgrade(
    name: str, service: str, event_type: str, engine_of: Callable[[str], Engine], append_newer: Append
) -> None:
    with engine_of("ingest").begin() as connection:
        before = append(connection, [NewEvent(golden("UserRegistered"), METADATA)]).position
    position = append_newer(service, golden(event_type)).position
    readiness = Readiness()
    projection = projection_of(name, engine_of, readiness)
    for _ in range(2):
        with pytest.raises(NewerVersionError):
            projection.catch_up()
        assert projection.position() == before == position - 1
    assert f"{event_type} at position {position}" in readiness.obstacles()[f"projection {name}"]
    assert "upgrade this service" in readiness.obstacles()[f"projection {name}"]


@pytest.fixture
async def handed(amqp_url: Callable[[str], str]) -> AsyncIterator[Callable[[Service, RecordedEvent, Handler], Awaitable[None]]]:
    """Lets a service's handler have an event as the broker hands it out."""
    async with (
        await aio_pika.connect_robust(amqp_url("relay")) as relay,
        await aio_pika.connect_robust(amqp_url("operator")) as operator,
    ):
        exchange = await (await relay.channel()).get_exchange(EVENTS, ensure=False)
        channel = await operator.channel()

        async def hand(service: Service, recorded: RecordedEvent, handler: Handler) -> None:
            queue = await channel.get_queue(event_queue(service), ensure=False)
            await queue.purge()
            # By the key of a type that it hears: what later releases bind is not bound here.
            key = next(name for name, kind in sorted(EVENT_TYPES.items()) if service in kind.consumed_by)
            await exchange.publish(aio_pika.Message(recorded.to_cloudevent()), routing_key=key)
            message = await queue.get(no_ack=True, timeout=10)
            assert message is not None
            await handler(message)

        yield hand


@pytest.fixture
def handlers(engine_of: Callable[[str], Engine]) -> dict[Service, Handler]:
    """How each service begins with a message. What it would do with one that it can read is not reached."""
    nothing = object()
    follower = Doorbell(projection_of(Service.SCORER, engine_of, Readiness()))
    scorer = ScorerConsumer(
        engine_of("scorer"),
        cast("ProblemPreparer", nothing),
        cast("RunScorer", nothing),
        cast("Rescorer", nothing),
        follower,
        asyncio.Semaphore(),
    )
    orchestrator = EventConsumer(engine_of("orchestrator"), cast("Scheduler", nothing), cast("Commander", nothing))
    doorbells = {
        service: Doorbell(projection_of(service, engine_of, Readiness())).handle
        for service in (Service.LEADERBOARD, Service.MAILER)
    }
    return {Service.SCORER: scorer.handle, Service.ORCHESTRATOR: orchestrator.handle, **doorbells}


@pytest.mark.parametrize("service", [Service.SCORER, Service.ORCHESTRATOR])
async def test_a_reactor_passes_over_an_unknown_type(
    service: Service, handed: Callable[..., Awaitable[None]], handlers: dict[Service, Handler], append_unknown: Append
) -> None:
    # The consumer's loop acknowledges and counts it: tests/integration/bus/test_consumer.py.
    with pytest.raises(UnknownTypeError):
        await handed(service, append_unknown("thing-1"), handlers[service])


@pytest.mark.parametrize("service", [Service.LEADERBOARD, Service.MAILER])
async def test_a_doorbell_rings_also_for_an_unknown_type(
    service: Service,
    handed: Callable[..., Awaitable[None]],
    handlers: dict[Service, Handler],
    append_unknown: Append,
    engine_of: Callable[[str], Engine],
) -> None:
    recorded = append_unknown("thing-1")
    await handed(service, recorded, handlers[service])
    assert projection_of(service, engine_of, Readiness()).position() == recorded.position


@pytest.mark.parametrize("service", [Service.SCORER, Service.ORCHESTRATOR, Service.LEADERBOARD, Service.MAILER])
async def test_a_newer_version_stays_with_its_consumer(
    service: Service, handed: Callable[..., Awaitable[None]], handlers: dict[Service, Handler], append_newer: Append
) -> None:
    # The loop keeps the message and shows the words in red: as above.
    recorded = append_newer("orchestrator", golden("TrainingFinished"))
    with pytest.raises(NewerVersionError, match="upgrade this service"):
        await handed(service, recorded, handlers[service])


def test_unknown_events_in_streams_keep_nobody_from_deciding(
    engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], append_unknown: Append
) -> None:
    history = History(engine_of, store_of("ingest"))
    append_unknown(f"problem-{CHALLENGE}")
    history.submit(history.person())
    [submission] = history.submissions
    append_unknown(f"submission-{submission.submission_id}")
    history.release()
    append_unknown(f"run-{run_id_of(submission.submission_id)}")
    history.trained(submission)
    append_unknown(f"run-{run_id_of(submission.submission_id)}")
    with engine_of("scorer").connect() as connection:
        finished = read_stream(connection, f"run-{run_id_of(submission.submission_id)}")[-2].event()
        assert isinstance(finished, TrainingFinished)
        assert _what_was_trained(connection, finished)[0].submission_id == submission.submission_id
        assert newest_prepared(connection, CHALLENGE) is not None
        assert not has_failed(connection, submission.submission_id)
    history.score(submission)
    with engine_of("scorer").connect() as connection:
        assert isinstance(read_after(connection, head_position(connection) - 1, 1)[0].event(), ScoreComputed)
    history.submit(history.accounts[0])
    withdrawn = history.submissions[-1]
    history.release()
    append_unknown(f"run-{run_id_of(withdrawn.submission_id)}")
    history.withdraw(withdrawn)
    with engine_of("ingest").connect() as connection:
        assert has_failed(connection, withdrawn.submission_id)
