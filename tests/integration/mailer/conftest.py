from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
from sqlalchemy import Engine

from shared.artefacts import Store
from tests.integration.mailer.mail_server import MailServer, free_port
from tests.integration.mailer.world import World


@pytest.fixture
def world(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> World:
    return World(engine_of("ingest"), engine_of("orchestrator"), engine_of("scorer"), store_of("trainer-default"))


@pytest.fixture
def smtp_port() -> int:
    return free_port()


@pytest.fixture
async def server(smtp_port: int) -> AsyncIterator[MailServer]:
    server = MailServer()
    async with server.listening(smtp_port):
        yield server


@pytest.fixture
def ada(world: World) -> UUID:
    return world.person("Ada", "ada@example.org")


@pytest.fixture
def iris(world: World) -> str:
    return world.challenge("iris", "Iris")


@pytest.fixture
def starter(world: World, ada: UUID, iris: str) -> UUID:
    return world.submission(iris, world.team("ada", ada), ada, "starter")
