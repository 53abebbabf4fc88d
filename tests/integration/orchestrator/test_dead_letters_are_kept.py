"""Dead letters from a real broker into a real table, and back: kept once, bounded, believed as far as they may be."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast
from uuid import UUID, uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel
from click.testing import CliRunner, Result
from pamqp import encode
from pydantic import SecretStr
from sqlalchemy import Engine, text

from palio.cli import main
from services.orchestrator.consumer import ReportConsumer
from services.orchestrator.dead_letters.consumer import DeadLetterConsumer
from services.orchestrator.dead_letters.letter import Arrived, dead_letter
from services.orchestrator.dead_letters.store import Kept, drop, find, keep, listed
from services.orchestrator.lost import LostWork
from services.orchestrator.projection import HANDLERS, READ_MODEL
from services.orchestrator.release import release
from services.orchestrator.scheduler import Scheduler
from services.orchestrator.trainers import Trainers
from shared.bus.connection import connect
from shared.bus.consumer import Consumer, RejectedError
from shared.bus.reports import StartedReport
from shared.bus.telemetry import Commander
from shared.bus.topology import DEAD_LETTERS, EVENTS, REPORTS, REPORTS_QUEUE, TRAINER_DELIVERY_LIMIT, event_queue, trainer_queue
from shared.events import Metadata, Service, SubmissionUploaded
from shared.ledger import NewEvent, Projection, append, read_stream
from shared.ledger.rebuild import rebuild
from shared.runs import run_id_of
from shared.settings import BusSettings
from shared.telemetry import Readiness
from tests.support.goldens import golden
from tests.support.waiting import wait_for

METADATA = Metadata(correlation_id="a test")
SCORER_QUEUE, POOL_QUEUE = event_queue(Service.SCORER), trainer_queue("default")
TRAINER = "trainer-default"
Handle = Callable[[AbstractIncomingMessage], Awaitable[None]]
Run = Callable[..., Awaitable[Result]]
Letters = Callable[..., Awaitable[list[Kept]]]
Consuming = Callable[[str, str, Handle], AbstractAsyncContextManager[None]]


@pytest.fixture
async def operator(amqp_url: Callable[[str], str]) -> AsyncIterator[AbstractRobustChannel]:
    async with await aio_pika.connect_robust(amqp_url("operator")) as connection:
        channel = await connection.channel()
        for name in (SCORER_QUEUE, POOL_QUEUE, REPORTS_QUEUE, DEAD_LETTERS):
            await (await channel.get_queue(name, ensure=False)).purge()
        yield channel


@pytest.fixture
def orchestrator(engine_of: Callable[[str], Engine]) -> Engine:
    return engine_of("orchestrator")


@pytest.fixture
def run(owner_database_url: str, amqp_url: Callable[[str], str]) -> Run:
    """`palio dead-letters` as an operator."""
    environment = {"PALIO_OWNER_DATABASE_URL": owner_database_url, "PALIO_AMQP_URL": amqp_url("operator")}

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, ["dead-letters", *words], env=environment)

    return run


@pytest.fixture
def consuming(amqp_url: Callable[[str], str]) -> Consuming:
    @asynccontextmanager
    async def consuming(user: str, queue: str, handle: Handle) -> AsyncIterator[None]:
        """A consumer with a service's own rights, for the length of a `with`."""
        async with await connect(BusSettings(amqp_url=SecretStr(amqp_url(user))), "test") as connection:
            consumer = asyncio.create_task(Consumer(connection, queue, handle, Readiness()).run())
            try:
                async with asyncio.timeout(40):
                    yield
            finally:
                consumer.cancel()
                await asyncio.gather(consumer, return_exceptions=True)

    return consuming


@pytest.fixture
async def keeping(consuming: Consuming, orchestrator: Engine, operator: AbstractRobustChannel) -> AsyncIterator[None]:
    """The orchestrator keeps dead letters."""
    async with consuming("orchestrator", DEAD_LETTERS, DeadLetterConsumer(orchestrator).handle):
        yield


@pytest.fixture
def kept(orchestrator: Engine) -> Letters:
    async def kept(number: int, arrivals: int = 1) -> list[Kept]:
        """What is kept, once it is so many, and each has come so often."""

        def look() -> list[Kept]:
            with orchestrator.connect() as connection:
                found = [find(connection, each.id) for each in listed(connection)]
            return [each for each in found if each is not None and each.arrivals >= arrivals]

        return await wait_for(lambda: found if len(found := look()) == number else [], f"{number} dead letters")

    return kept


async def say(amqp_url: Callable[[str], str], user: str, exchange: str, body: bytes, key: str, **properties: object) -> None:
    """Publish as a user of the broker."""
    async with await aio_pika.connect(amqp_url(user)) as connection:
        target = await (await connection.channel()).get_exchange(exchange, ensure=False)
        await target.publish(aio_pika.Message(body, **properties), routing_key=key, timeout=10)  # type: ignore[arg-type]


async def refuse(_message: AbstractIncomingMessage) -> None:
    raise RejectedError("this is \0 nonsense")


@pytest.mark.usefixtures("keeping")
async def test_what_a_consumer_can_not_handle_is_kept_once_with_reason_headers_and_who_sent_it(
    consuming: Consuming, amqp_url: Callable[[str], str], kept: Letters
) -> None:
    async with consuming("orchestrator", REPORTS_QUEUE, refuse):
        for _ in range(2):
            await say(amqp_url, TRAINER, REPORTS, b"{}", "default.started", user_id=TRAINER, headers={"a": "b"}, message_id="7")
        [letter] = await kept(1, arrivals=2)
    assert (letter.queue, letter.sender, letter.routing_key, letter.body) == (REPORTS_QUEUE, TRAINER, "default.started", b"{}")
    assert letter.reason == "this is \N{REPLACEMENT CHARACTER} nonsense"
    headers = json.loads(letter.headers)
    assert headers["headers"]["palio-headers"] == "{'a': 'b'}"
    assert headers["properties"]["message_id"] == "7"


@pytest.mark.usefixtures("keeping")
async def test_what_the_broker_gives_up_by_itself_is_kept_with_its_queue_and_the_limit_as_reason(
    consuming: Consuming, amqp_url: Callable[[str], str], kept: Letters
) -> None:
    deliveries = 0

    async def give_back(message: AbstractIncomingMessage) -> None:
        nonlocal deliveries
        deliveries += 1
        await message.nack(requeue=True)

    await say(amqp_url, "relay", EVENTS, b"work", "TrainingRequested.default", user_id="relay")
    async with await aio_pika.connect(amqp_url(TRAINER)) as connection:
        queue = await (await connection.channel()).get_queue(POOL_QUEUE, ensure=False)
        await queue.consume(give_back)
        [letter] = await kept(1)
    assert deliveries == TRAINER_DELIVERY_LIMIT + 1
    assert (letter.queue, letter.sender, letter.routing_key) == (POOL_QUEUE, "relay", "TrainingRequested.default")
    assert letter.reason.startswith("delivery_limit")


@pytest.mark.usefixtures("keeping")
async def test_whatever_a_stranger_writes_is_kept_and_the_next_one_too(
    amqp_url: Callable[[str], str],
    kept: Letters,
    monkeypatch: pytest.MonkeyPatch,
    operator: AbstractRobustChannel,
) -> None:
    claims = {"palio-queue": SCORER_QUEUE, "palio-reason": 7, "x-death": "no list", "\0": {"a": [bytearray(b"\xff"), None, 1.5]}}
    await say(amqp_url, TRAINER, DEAD_LETTERS, b"\xff\0", "\0", headers=claims)
    await say(amqp_url, TRAINER, DEAD_LETTERS, b"x" * 3_000_000, "large")
    raw, table = b"\x01\xffS\x00\x00\x00\x01a", encode.METHODS["table"]
    with monkeypatch.context() as patched:
        patched.setitem(
            encode.METHODS, "table", lambda value: struct.pack(">I", len(raw)) + raw if value and "raw" in value else table(value)
        )
        await say(amqp_url, TRAINER, DEAD_LETTERS, b"unreadable headers", "k", headers={"raw": "raw"}, user_id=TRAINER)
    await say(amqp_url, TRAINER, DEAD_LETTERS, b"the last", "k")
    letters = await kept(4)
    assert [each.body_bytes for each in letters] == [2, 3_000_000, 18, 8]
    assert {each.queue for each in letters} == {None}
    assert "palio-unreadable-headers" in letters[2].headers
    queue = await operator.declare_queue(DEAD_LETTERS, passive=True)
    assert queue.declaration_result.message_count == 0


async def test_beyond_a_number_or_a_size_the_oldest_go(orchestrator: Engine) -> None:
    def arrive(body: bytes, **bounds: int) -> int:
        letter = dead_letter(Arrived(body, {}, {}, "k", None))
        with orchestrator.begin() as connection:
            return keep(connection, letter, **bounds)

    assert [arrive(bytes([number]), max_letters=3) for number in range(5)] == [0, 0, 0, 1, 1]
    assert arrive(b"x" * 1_000, max_bytes=1_120) == 2, "one small one fits beside it, with its headers"
    with orchestrator.connect() as connection:
        assert [each.body_bytes for each in listed(connection)] == [1, 1_000]


async def test_a_requeue_of_something_done_changes_nothing(
    engine_of: Callable[[str], Engine],
    orchestrator: Engine,
    consuming: Consuming,
    keeping: None,
    kept: Letters,
    amqp_url: Callable[[str], str],
    run: Run,
) -> None:
    submission = golden("SubmissionUploaded")
    assert isinstance(submission, SubmissionUploaded)
    run_id = run_id_of(submission.submission_id)
    started = StartedReport(
        run_id=run_id, submission_id=submission.submission_id, attempt=1, execution_id=uuid4(), trainer="t", shared_fold=None
    )
    trainers = Trainers()
    projection = Projection("orchestrator", orchestrator, HANDLERS, Readiness())
    lost = LostWork(orchestrator, trainers, lambda _pool: asyncio.sleep(0, 0), max_attempts=3, lost_after_s=60)
    scheduler = Scheduler(orchestrator, projection, trainers, (lost.look,), Readiness())
    # Nobody begins a run that is over here, so there is nobody to tell.
    reports = ReportConsumer(orchestrator, 3, scheduler, cast("Commander", object()))

    def types() -> list[str]:
        with orchestrator.connect() as connection:
            return [each.type for each in read_stream(connection, f"run-{run_id}")]

    async with consuming("orchestrator", REPORTS_QUEUE, reports.handle):
        # It comes too early: nobody knows the run.
        body = started.model_dump_json().encode()
        await say(amqp_url, TRAINER, REPORTS, body, "default.started", user_id=TRAINER)
        [letter] = await kept(1)
        assert letter.reason == f"there is no run {run_id}"
        with engine_of("scorer").begin() as connection:
            append(connection, [NewEvent(golden("ProblemPrepared"), METADATA)])
        with engine_of("ingest").begin() as connection:
            append(connection, [NewEvent(golden("ChallengeCreated"), METADATA), NewEvent(submission, METADATA)])
        projection.catch_up()
        assert release(orchestrator, "default", 1) == 1
        done = await run("requeue", str(letter.id))
        assert (done.exit_code, done.stdout) == (0, f"{letter.id} is in {REPORTS_QUEUE} again.\n"), done.output
        await wait_for(lambda: types() == ["TrainingRequested", "TrainingStarted"], "the report to count, as the trainer's")
        # As after a death between publication and commit: the row is still there.
        with orchestrator.begin() as connection:
            keep(
                connection,
                dead_letter(Arrived(body, {"palio-queue": REPORTS_QUEUE, "palio-user": TRAINER}, {}, "", "orchestrator")),
            )
        assert (await run("requeue", "--all", "--queue", REPORTS_QUEUE)).exit_code == 0
        # A report that is known after it: when that is through, so is the requeued one.
        await say(amqp_url, TRAINER, REPORTS, b"{}", "default.started", user_id=TRAINER)
        [letter] = await kept(1)
        assert letter.body == b"{}"
        assert types() == ["TrainingRequested", "TrainingStarted"]


async def test_what_can_not_be_requeued_stays_and_says_why(
    orchestrator: Engine, run: Run, kept: Letters, operator: AbstractRobustChannel
) -> None:
    arrived = {
        "there is no queue trainer.gone any more": Arrived(b"1", {"palio-queue": "trainer.gone"}, {}, "k", "relay"),
        "nobody who may be believed": Arrived(b"2", {"palio-queue": SCORER_QUEUE}, {}, "k", TRAINER),
        "are kept": Arrived(b"x" * 2_000_000, {"palio-queue": SCORER_QUEUE}, {}, "k", "relay"),
        "the broker refuses it": Arrived(b"3", {"palio-queue": SCORER_QUEUE, "palio-user": "x"}, {}, "k", "relay"),
    }
    with orchestrator.begin() as connection:
        for each in arrived.values():
            keep(connection, dead_letter(each))
    # The operator may speak in anybody's name; who may not is told so.
    del arrived["the broker refuses it"]
    found = await run("requeue", "--all")
    assert found.exit_code == 1
    for words in arrived:
        assert words in found.stderr
    assert len(await kept(3)) == 3
    queue = await operator.get_queue(SCORER_QUEUE, ensure=False)
    assert (await queue.get(no_ack=True, timeout=5)).user_id == "x"


async def test_what_dies_again_while_it_is_being_requeued_is_kept_anew(orchestrator: Engine, kept: Letters) -> None:
    letter = dead_letter(Arrived(b"1", {}, {}, "k", "relay"))

    def keep_it() -> None:
        with orchestrator.begin() as connection:
            keep(connection, letter)

    keep_it()
    # As a requeue does: published between these two, and handled and buried before the commit.
    with orchestrator.begin() as requeuing:
        assert find(requeuing, letter.id, locked=True) is not None
        buried_again = asyncio.create_task(asyncio.to_thread(keep_it))
        await wait_for(lambda: waits_for_a_lock(orchestrator), "the burial to wait")
        assert drop(requeuing, [letter.id]) == 1
    await buried_again
    assert len(await kept(1)) == 1


def waits_for_a_lock(engine: Engine) -> bool:
    with engine.connect() as connection:
        statement = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(connection.execute(statement).scalar_one())


async def test_a_stranger_to_the_broker_can_not_requeue(
    orchestrator: Engine, owner_database_url: str, amqp_url: Callable[[str], str]
) -> None:
    letter = dead_letter(Arrived(b"1", {"palio-queue": SCORER_QUEUE, "palio-user": "relay"}, {}, "k", "scorer"))
    with orchestrator.begin() as connection:
        keep(connection, letter)
    for url, words in {amqp_url("scorer"): "must be the user operator's", "amqp://a:b@127.0.0.1:1/": "does not answer"}.items():
        environment = {"PALIO_OWNER_DATABASE_URL": owner_database_url, "PALIO_AMQP_URL": url}
        found = await asyncio.to_thread(CliRunner().invoke, main, ["dead-letters", "requeue", str(letter.id)], env=environment)
        assert (found.exit_code, words in found.stderr) == (1, True), found.output


async def test_they_are_listed_shown_and_dropped_and_a_rebuild_keeps_them(orchestrator: Engine, owner: Engine, run: Run) -> None:
    hostile = {"palio-queue": SCORER_QUEUE, "palio-reason": "red \x1b[31m"}
    with orchestrator.begin() as connection:
        for body in (b'{"a": "\\u001b[2J"}', b"\x1b]0;title\x07"):
            keep(connection, dead_letter(Arrived(body, hostile, {}, "k", "scorer")))
        keep(connection, dead_letter(Arrived(b"other", {}, {}, "k", None)))
    rebuild(owner, READ_MODEL, lambda _position, _goal: None)
    everything = json.loads((await run("list", "--json")).stdout)
    assert [each["queue"] for each in everything] == [SCORER_QUEUE, SCORER_QUEUE, None]
    for words in (["--reason", "RED"], ["--queue", SCORER_QUEUE]):
        some = json.loads((await run("list", "--json", *words)).stdout)
        assert [each["id"] for each in some] == [each["id"] for each in everything[:2]]
    first, second, third = (each["id"] for each in everything)
    shown = (await run("list")).stdout + "".join([(await run("show", each)).stdout for each in (first, second, third)])
    assert "\x1b" not in shown
    assert "red \\u001b[31m" in shown
    assert '"a": "\\u001b[2J"' in shown
    assert json.loads((await run("show", first, "--json")).stdout)["body"] == '{"a": "\\u001b[2J"}'
    assert (await run("drop", first, "--yes")).stdout == "1 dead letters are removed.\n"
    assert (await run("drop", "--all")).exit_code == 1, "it asks, and nobody answers"
    assert (await run("drop", "--all", "--queue", SCORER_QUEUE, "--yes")).stdout == "1 dead letters are removed.\n"
    assert [each["id"] for each in json.loads((await run("list", "--json")).stdout)] == [third]
    assert (await run("show", first)).exit_code == 1
    assert (await run("requeue")).exit_code == 2
    assert (await run("requeue", str(UUID(int=0)))).stdout.endswith("is gone already.\n")
