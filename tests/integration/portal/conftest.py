"""The portal with the real APIs behind it. The services that train and score are not started: a test records what they would."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aio_pika
import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from deploy.local.frontdoor import Upstreams, front_door
from deploy.local.ports import LOOPBACK, PortBlock
from deploy.local.program import base_environment
from deploy.local.services import ROOT
from shared.artefacts import Store
from shared.bus.topology import EVENT_CONSUMERS, event_queue
from shared.database import make_engine
from shared.settings import DatabaseSettings
from tests.integration.mailer.world import World
from tests.support.databases import copied_database
from tests.support.servers import Servers
from tests.support.waiting import LIMIT_S, wait_until

WHEEL = "palio-0.1.0-py3-none-any.whl"
SERVICES = ("relay", "ingest", "leaderboard", "portal")


@dataclass
class Fleet:
    """Services and the front door as processes, which a test may stop and start again."""

    commands: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]]
    are_ready: Mapping[str, Callable[[], bool]]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start one, and wait until it is ready."""
        command, environment = self.commands[name]
        self.processes[name] = process = subprocess.Popen(command, cwd=ROOT, env=environment)
        wait_until(lambda: process.poll() is not None or self.are_ready[name](), f"{name} to be ready")
        assert process.poll() is None, f"{name} ended"

    def stop(self, name: str) -> int:
        """Stop one; its exit code."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(LIMIT_S)


@dataclass(frozen=True)
class Site:
    """A platform that does not train, at `origin`."""

    origin: str
    world: World
    fleet: Fleet
    #: Token of an administrator.
    administrator: str

    def browser(self) -> httpx.Client:
        """A visitor: keeps cookies, follows redirects, and says like a browser where a form comes from."""
        return httpx.Client(base_url=self.origin, follow_redirects=True, timeout=30, headers={"Origin": self.origin})

    def api(self, token: str) -> httpx.Client:
        """A client of the APIs."""
        return httpx.Client(base_url=self.origin, timeout=30, headers={"Authorization": f"Bearer {token}"})

    @contextmanager
    def without(self, service: str) -> Iterator[None]:
        """A service that is down for a while."""
        self.fleet.stop(service)
        try:
            yield
        finally:
            self.fleet.start(service)


@pytest.fixture(scope="module")
def site(servers: Servers, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / WHEEL).write_bytes(b"a wheel")
    with ExitStack() as stack:
        database = stack.enter_context(copied_database(servers, template_database))
        ports = stack.enter_context(PortBlock())
        numbers = {name: ports.take() for name in (*SERVICES, "frontdoor")}
        origin = f"http://{LOOPBACK}:{numbers['frontdoor']}"
        door = front_door(
            folder, numbers["frontdoor"], Upstreams(*([numbers[name]] for name in ("ingest", "leaderboard", "portal")))
        )
        fleet = Fleet(
            commands={
                **{name: _service(name, servers, database, origin, numbers, folder) for name in SERVICES},
                "frontdoor": (door.command, door.environment),
            },
            are_ready={**{name: _says_ready(numbers[name]) for name in SERVICES}, "frontdoor": door.is_ready},
        )
        stack.callback(_purge_queues, servers.amqp_urls["operator"])
        for name in (*SERVICES, "frontdoor"):
            fleet.start(name)
            stack.callback(fleet.stop, name)
        engines = {name: _engine(servers, name, database, stack) for name in ("ingest", "orchestrator", "scorer")}
        world = World(
            engines["ingest"], engines["orchestrator"], engines["scorer"], Store(servers.store_settings("trainer-default"))
        )
        yield Site(origin, world, fleet, _administrator(origin, fleet))


def _service(
    name: str, servers: Servers, database: str, origin: str, numbers: Mapping[str, int], folder: Path
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    environment = {**base_environment(folder), "PALIO_HTTP_PORT": str(numbers[name]), "PALIO_ORIGIN": origin}
    if name == "portal":
        environment |= {
            "PALIO_INGEST_URL": f"http://{LOOPBACK}:{numbers['ingest']}",
            "PALIO_LEADERBOARD_URL": f"http://{LOOPBACK}:{numbers['leaderboard']}",
            "PALIO_WHEEL_DIR": str(folder),
        }
    else:
        environment["PALIO_DATABASE_URL"] = servers.database_url(name, database)
    if name in {"relay", "leaderboard"}:
        environment["PALIO_AMQP_URL"] = servers.amqp_urls[name]
    if name in {"ingest", "leaderboard"}:
        store = servers.store_settings(name)
        environment |= {
            "PALIO_S3_ENDPOINT": str(store.s3_endpoint),
            "PALIO_S3_ACCESS_KEY": store.s3_access_key,
            "PALIO_S3_SECRET_KEY": store.s3_secret_key.get_secret_value(),
        }
    return (sys.executable, "-m", f"services.{name}"), environment


def _says_ready(port: int) -> Callable[[], bool]:
    def is_ready() -> bool:
        try:
            return httpx.get(f"http://{LOOPBACK}:{port}/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    return is_ready


def _engine(servers: Servers, service: str, database: str, stack: ExitStack) -> Engine:
    url = SecretStr(servers.database_url(service, database))
    engine = make_engine(DatabaseSettings(database_url=url, slow_query_ms=60_000))
    stack.callback(engine.dispose)
    return engine


def _purge_queues(amqp_url: str) -> None:
    """What the relay published for services that were not started is nothing to the tests that come after."""

    async def purge() -> None:
        async with await aio_pika.connect_robust(amqp_url) as connection:
            channel = await connection.channel()
            for service in EVENT_CONSUMERS:
                await (await channel.get_queue(event_queue(service), ensure=False)).purge()

    asyncio.run(purge())


def _administrator(origin: str, fleet: Fleet) -> str:
    """Register somebody over the API and appoint them as an operator does; their token."""
    account = {"name": "organiser", "email": "organiser@example.org", "password": "correct horse battery"}
    httpx.post(f"{origin}/v1/users", json=account).raise_for_status()
    _, environment = fleet.commands["ingest"]
    subprocess.run([sys.executable, "-m", "services.ingest.appoint", "organiser"], cwd=ROOT, env=environment, check=True)
    login = {"name": account["name"], "password": account["password"]}
    token = httpx.post(f"{origin}/v1/tokens", json=login).raise_for_status().json()["token"]
    assert isinstance(token, str)
    return token
