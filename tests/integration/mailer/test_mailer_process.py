"""The mailer as it runs: a process of its own, with PostgreSQL, RabbitMQ, the object store and a mail server."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

import aio_pika
import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from palio.cli import main
from shared.bus.topology import EVENTS, event_queue
from shared.events import Service
from shared.ledger import head_position, read_after
from shared.settings import StoreSettings
from tests.integration.mailer.mail_server import MailServer, free_port
from tests.integration.mailer.world import World

LIMIT_S = 60


@pytest.fixture
def http_port() -> int:
    return free_port()


@pytest.fixture
def environment(
    database_url: Callable[[str], str],
    amqp_url: Callable[[str], str],
    store_settings: Callable[[str], StoreSettings],
    smtp_port: int,
    http_port: int,
) -> dict[str, str]:
    store = store_settings("mailer")
    return {
        "PATH": os.environ["PATH"],
        "PALIO_DATABASE_URL": database_url("mailer"),
        "PALIO_AMQP_URL": amqp_url("mailer"),
        "PALIO_S3_ENDPOINT": str(store.s3_endpoint),
        "PALIO_S3_ACCESS_KEY": store.s3_access_key,
        "PALIO_S3_SECRET_KEY": store.s3_secret_key.get_secret_value(),
        "PALIO_SMTP_PORT": str(smtp_port),
        "PALIO_MAIL_FROM": "Palio <palio@example.org>",
        "PALIO_HTTP_PORT": str(http_port),
    }


@asynccontextmanager
async def running_mailer(environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """The process, ready; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.mailer", env=environment)
    try:
        await until(lambda: is_ready(environment, process))
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition, a minute at most."""
    async with asyncio.timeout(LIMIT_S):
        while not await is_so():  # noqa: ASYNC110  (what changes is in another process)
            await asyncio.sleep(0.05)


async def is_ready(environment: Mapping[str, str], process: Process) -> bool:
    assert process.returncode is None, "the mailer ended"
    try:
        return (await probe(environment, "/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def probe(environment: Mapping[str, str], path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{environment['PALIO_HTTP_PORT']}") as client:
        return await client.get(path)


@pytest.fixture
async def publish_newest(
    amqp_url: Callable[[str], str], engine_of: Callable[[str], Engine]
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Does what the relay does with the newest event of the ledger."""
    operator = await aio_pika.connect_robust(amqp_url("operator"))
    relay = await aio_pika.connect_robust(amqp_url("relay"))
    async with operator, relay:
        queue = await (await operator.channel()).get_queue(event_queue(Service.MAILER), ensure=False)
        await queue.purge()
        exchange = await (await relay.channel()).get_exchange(EVENTS, ensure=False)

        async def publish() -> None:
            with engine_of("relay").connect() as connection:
                (newest,) = read_after(connection, head_position(connection) - 1, 1)
            await exchange.publish(aio_pika.Message(newest.to_cloudevent()), routing_key=newest.type)

        yield publish
        await queue.purge()


async def test_an_event_on_the_bus_becomes_a_mail_and_sigterm_ends_the_mailer_cleanly(
    world: World,
    server: MailServer,
    starter: UUID,
    environment: dict[str, str],
    publish_newest: Callable[[], Awaitable[None]],
) -> None:
    async with running_mailer(environment) as process:
        world.scored(starter, "iris", acc=0.5)
        await publish_newest()
        mail = await server.next_mail()
        assert mail["subject"] == 'Iris: "starter" is scored'

        async def is_counted() -> bool:
            return 'palio_mails_total{kind="scored",result="sent"} 1.0' in (await probe(environment, "/metrics")).text

        await until(is_counted)
        process.terminate()
        async with asyncio.timeout(LIMIT_S):
            assert await process.wait() == 0


async def test_an_event_of_which_no_message_ever_comes_becomes_a_mail_all_the_same(
    world: World, server: MailServer, starter: UUID, environment: dict[str, str]
) -> None:
    async with running_mailer({**environment, "PALIO_LEDGER_LOOK_S": "0.2"}):
        world.scored(starter, "iris", acc=0.5)
        assert (await server.next_mail())["subject"] == 'Iris: "starter" is scored'


async def test_what_happened_while_the_mailer_was_down_is_mailed_when_it_comes_back(
    world: World, server: MailServer, starter: UUID, environment: dict[str, str]
) -> None:
    world.scored(starter, "iris", acc=0.5)
    async with running_mailer(environment):
        assert (await server.next_mail())["subject"] == 'Iris: "starter" is scored'


async def test_a_mailer_killed_while_the_server_has_the_mail_sends_it_again_under_the_same_message_id(
    world: World,
    server: MailServer,
    starter: UUID,
    environment: dict[str, str],
    engine_of: Callable[[str], Engine],
) -> None:
    world.scored(starter, "iris", acc=0.5)
    server.answers.clear()
    async with running_mailer(environment) as process:
        first = await server.next_mail()
        process.kill()
        await process.wait()
    server.answers.set()
    with engine_of("mailer").begin() as connection:
        (state,) = connection.execute(text("SELECT state FROM mailer.outbox")).scalars()
        assert state == "sending"
        # As if the three minutes of its claim had gone by.
        connection.execute(text("UPDATE mailer.outbox SET next_attempt_at = now()"))
    async with running_mailer(environment):
        again = await server.next_mail()
    assert again["message-id"] == first["message-id"]


async def test_a_mailer_without_a_mail_server_is_ready_and_goes_on_taking_in_events(
    world: World,
    starter: UUID,
    environment: dict[str, str],
    engine_of: Callable[[str], Engine],
    publish_newest: Callable[[], Awaitable[None]],
) -> None:
    world.scored(starter, "iris", acc=0.5)
    async with running_mailer(environment):

        async def is_noticed() -> bool:
            return "palio_mails_waiting 1.0" in (await probe(environment, "/metrics")).text

        await until(is_noticed)
        world.scoring_failed(starter, "iris", "x")
        await publish_newest()

        async def are_both_waiting() -> bool:
            with engine_of("mailer").connect() as connection:
                states = connection.execute(text("SELECT state FROM mailer.outbox")).scalars().all()
            return states == ["pending", "pending"]

        await until(are_both_waiting)
        assert (await probe(environment, "/readyz")).status_code == 200
        assert "palio_mail_server_up 0.0" in (await probe(environment, "/metrics")).text


async def test_while_mail_is_off_mails_are_dropped_with_the_reason_and_what_comes_after_it_is_sent(
    world: World,
    server: MailServer,
    starter: UUID,
    ada: UUID,
    environment: dict[str, str],
    owner: Engine,
    owner_database_url: str,
    publish_newest: Callable[[], Awaitable[None]],
) -> None:
    def palio_mail(*words: str) -> None:
        done = CliRunner().invoke(main, ["mail", *words], env={"PALIO_OWNER_DATABASE_URL": owner_database_url})
        assert done.exit_code == 0, done.output

    async def is_dropped() -> bool:
        with owner.connect() as connection:
            return [
                (row.state, row.last_error) for row in connection.execute(text("SELECT state, last_error FROM mailer.outbox"))
            ] == [("dropped", "a drill")]

    async def is_off() -> bool:
        return "palio_mail_off 1.0" in (await probe(environment, "/metrics")).text

    palio_mail("off", "--reason", "a drill")
    world.scored(starter, "iris", acc=0.5)
    async with running_mailer(environment):
        await until(is_dropped)
        await until(is_off)
        palio_mail("on")
        second = world.submission("iris", world.team("second", ada), ada, "after it")
        world.scored(second, "iris", acc=0.5)
        await publish_newest()
        assert (await server.next_mail())["subject"] == 'Iris: "after it" is scored'
