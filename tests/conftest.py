"""What tests of every kind share: servers, a migrated database for each test, and a whole platform.

All of it starts when a test first asks for it, so that unit tests start nothing.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from pydantic import SecretStr
from sqlalchemy import Engine
from xdist.remote import Producer
from xdist.scheduler.loadfile import LoadFileScheduling

from deploy.local.services import ONE_OF_EACH, ROOT, WHEEL_FOLDER, Processes
from deploy.local.stack import Stack
from palio.client import Client
from shared.artefacts import Bucket, Store
from shared.database import make_engine
from shared.settings import DatabaseSettings, StoreSettings
from tests.support.databases import copied_database, migrated_database
from tests.support.people import KITS, Person, publish
from tests.support.servers import Servers, local_servers

# Properties are checked, never how long that takes: the machine may be busy.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


#: The platform's, beside `default`.
OTHER_POOLS = ("ordinary", "unserved", "scaled")

#: Tests here share one platform, so they stay together when tests are shared out.
PLATFORM_FOLDERS = ("tests/e2e/", "tests/attack/")


class FilesTogether(LoadFileScheduling):
    """Where tests are shared out over workers: a file stays together, and so do all tests of the whole platform, and all of the one that is hurt.

    Servers start once in each worker, the platform once in all. (Groups by mark would say it with less: xdist 3.8 does not see them
    under pytest 9.2, which keeps a test's id elsewhere.)
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(PLATFORM_FOLDERS):
            return "platform"
        return "crash" if nodeid.startswith("tests/crash/") else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesTogether:
    """For xdist."""
    return FilesTogether(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of whole platforms come first, since they take longest."""
    for item in items:
        if "platform" in getattr(item, "fixturenames", ()) and not item.nodeid.startswith(PLATFORM_FOLDERS):
            raise pytest.UsageError(f"{item.nodeid} uses the whole platform: it belongs into one of {PLATFORM_FOLDERS}")
    items.sort(key=lambda item: item.nodeid.startswith((*PLATFORM_FOLDERS, "tests/crash/")), reverse=True)


@contextmanager
def temporary_stack(
    name: str,
    other_pools: Sequence[str] = (),
    settings: Mapping[str, Mapping[str, str]] | None = None,
    processes: Processes = ONE_OF_EACH,
) -> Iterator[Stack]:
    """A stack in a folder that is removed; its logs are kept in `.palio/test-logs/`."""
    folder = Path(tempfile.mkdtemp(prefix=f"palio-{name}-"))
    stack = Stack(folder, other_pools=other_pools, settings=settings, processes=processes, durable=False)
    try:
        with stack:
            yield stack
    finally:
        kept = ROOT / ".palio" / "test-logs" / f"{name}-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(stack.log_folder, kept, ignore_dangling_symlinks=True)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL, RabbitMQ, S3 and a mail catcher: own ones, or as the PALIO_TEST_… variables say."""
    if os.environ.get("PALIO_TEST_SERVERS", "local") == "containers":
        from tests.support.containers import container_servers  # noqa: PLC0415 (its imports need seconds, and Docker)

        with container_servers() as containers:
            yield containers
        return
    with temporary_stack("servers") as stack:
        stack.start_servers()
        found = local_servers(stack)
        setup = Store(found.store_settings("operator"))
        for bucket in Bucket:
            setup.create_bucket(bucket)
        from tests.support.given import given_servers  # noqa: PLC0415 (as above)

        yield given_servers(found)


@pytest.fixture(scope="session")
def template_database(servers: Servers) -> Iterator[str]:
    """Name of a migrated database that tests get copies of. Nobody may be connected to it."""
    with migrated_database(servers) as name:
        yield name


@pytest.fixture
def database(servers: Servers, template_database: str) -> Iterator[str]:
    """Name of this test's own migrated database."""
    with copied_database(servers, template_database) as name:
        yield name


@pytest.fixture
def owner_database_url(servers: Servers, database: str) -> str:
    """URL of this test's database for its owner."""
    return servers.owner_url(database)


@pytest.fixture
def database_url(servers: Servers, database: str) -> Callable[[str], str]:
    """URL of this test's database for a service's role: `database_url("ingest")`."""
    return lambda service: servers.database_url(service, database)


@pytest.fixture
def make_test_engine() -> Iterator[Callable[[str], Engine]]:
    """Makes engines as services do, and closes them after the test."""
    engines: list[Engine] = []

    def make(url: str) -> Engine:
        engines.append(make_engine(DatabaseSettings(database_url=SecretStr(url), slow_query_ms=60_000)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture
def owner(owner_database_url: str, make_test_engine: Callable[[str], Engine]) -> Engine:
    """This test's database as its owner."""
    return make_test_engine(owner_database_url)


@pytest.fixture
def engine_of(database_url: Callable[[str], str], make_test_engine: Callable[[str], Engine]) -> Callable[[str], Engine]:
    """This test's database as a service: `engine_of("ingest")`, the same engine at each call."""
    engines: dict[str, Engine] = {}

    def engine(service: str) -> Engine:
        if service not in engines:
            engines[service] = make_test_engine(database_url(service))
        return engines[service]

    return engine


@pytest.fixture
def amqp_url(servers: Servers) -> Callable[[str], str]:
    """URL of the broker for a user: `amqp_url("relay")`. Queues are shared by all tests: purge what you use."""
    return lambda user: servers.amqp_urls[user]


@pytest.fixture
def store_settings(servers: Servers) -> Callable[[str], StoreSettings]:
    """How a service reaches the object store: `store_settings("trainer-default")`."""
    return servers.store_settings


@pytest.fixture
def store_of(servers: Servers) -> Callable[[str], Store]:
    """The object store with a service's key. Objects are shared by all tests: their keys name their content."""
    return lambda key: Store(servers.store_settings(key))


@pytest.fixture(scope="session")
def platform() -> Iterator[Stack]:
    """A whole platform with all services and the front door, at `platform.origin`.

    Its trainer serves pool `default`. Pool `ordinary` waits for the trainer of an ordinary user that attacks are tried on, and
    pool `unserved` for nobody: what is submitted there stays queued. Trainers of pool `scaled` come and go with their tests.
    """
    if not list(WHEEL_FOLDER.glob("palio-*.whl")):
        pytest.fail("dist/ holds no palio wheel: run script/test, which builds it")
    with temporary_stack("platform", OTHER_POOLS) as stack:
        stack.start_servers()
        stack.migrate()
        stack.start_services()
        yield stack


@pytest.fixture(scope="session")
def register(platform: Stack) -> Iterator[Callable[[str], Person]]:
    """Registers people; their clients are closed at the end."""
    people: list[Person] = []

    def register(name: str) -> Person:
        email, password = f"{name}@example.org", secrets.token_urlsafe(12)
        with Client(platform.origin) as nobody:
            nobody.register(name, email, password)
            token = nobody.login(name, password)["token"]
        people.append(Person(name, email, Client(platform.origin, token), token))
        return people[-1]

    yield register
    for person in people:
        person.client.close()


@pytest.fixture(scope="session")
def organiser(platform: Stack, register: Callable[[str], Person]) -> Person:
    """An administrator."""
    person = register("organiser")
    platform.appoint_administrator(person.name)
    return person


@pytest.fixture(scope="session")
def challenge_of(organiser: Person) -> Callable[[str], str]:
    """The open challenge on one of the kits, published at first use."""
    made: dict[str, str] = {}

    def challenge_of(kit: str) -> str:
        if kit not in made:
            problem = publish(organiser.client, kit, KITS[kit])
            assert problem["state"] == "prepared", problem
            organiser.client.create_challenge(kit, f"The {kit} challenge", kit)
            made[kit] = kit
        return made[kit]

    return challenge_of
