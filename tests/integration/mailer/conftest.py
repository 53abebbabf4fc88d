from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
from pydantic import AnyHttpUrl, SecretStr
from sqlalchemy import Engine

from services.mailer.delivery import Delivery
from services.mailer.facts import FactFinder
from services.mailer.letters import Letters
from services.mailer.outbox import Outbox
from services.mailer.reactions import HANDLERS, SCHEMA
from services.mailer.smtp import MailServer as Recipient
from shared.artefacts import Store
from shared.ledger import Projection
from shared.settings import MailerSettings
from shared.telemetry import Readiness
from tests.integration.mailer.mail_server import MailServer, free_port
from tests.integration.mailer.parts import Mailer
from tests.integration.mailer.world import World

ORIGIN = "http://127.0.0.1:8700"


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


@pytest.fixture
def mailer(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], smtp_port: int) -> Mailer:
    engine = engine_of("mailer")
    settings = MailerSettings(
        database_url=SecretStr("unused"),
        amqp_url=SecretStr("unused"),
        s3_endpoint=AnyHttpUrl("http://unused"),
        s3_access_key="unused",
        s3_secret_key=SecretStr("unused"),
        smtp_port=smtp_port,
        mail_from="Palio <palio@example.org>",
    )
    outbox = Outbox(engine, "example.org")
    facts = FactFinder(engine, store_of("mailer"), ORIGIN)
    return Mailer(
        engine=engine,
        projection=Projection(SCHEMA, engine, HANDLERS, Readiness()),
        outbox=outbox,
        delivery=Delivery(outbox, facts, Letters(), Recipient(settings), settings.mail_from),
    )
