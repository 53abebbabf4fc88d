"""The services as programs: each with the settings that its class in `shared/settings.py` names, and nobody else's secrets."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.ports import LOOPBACK
from deploy.local.postgres import Postgres
from deploy.local.program import Program, base_environment
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.seaweedfs import SeaweedFS
from shared.bus.topology import trainer_user
from shared.events import Service
from shared.migrations.roles import role_of
from shared.settings import (
    ALL_SETTINGS,
    BusSettings,
    CacheSettings,
    DatabaseSettings,
    PublicSettings,
    ServiceSettings,
    StoreSettings,
)

ROOT = Path(__file__).resolve().parents[2]
#: The `palio` wheel, which the portal serves and kits' environments get.
WHEEL_FOLDER = ROOT / "dist"

#: How the package index is reached, as the person who runs script/up has set it up: only the scorer builds environments.
_INDEX_PREFIXES = ("UV_", "SSL_CERT_")
_INDEX_NAMES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})


@dataclass(frozen=True)
class Servers:
    """What the services reach."""

    postgres: Postgres
    rabbitmq: RabbitMQ
    seaweedfs: SeaweedFS
    database_passwords: Mapping[str, str]
    smtp_port: int
    origin: str


@dataclass(frozen=True)
class Processes:
    """How many there are of each service. `trainer_module` is what runs as the trainers, for measurements that are not about training."""

    trainers: int = 1
    of_each_other: int = 1
    trainer_module: str = "services.trainer"

    @property
    def names(self) -> list[str]:
        """The programs: `ingest`, a second one `ingest-2`; trainers from `trainer-1` on."""
        others = [service.value for service in Service if service is not Service.TRAINER]
        more = [f"{name}-{number}" for number in range(2, self.of_each_other + 1) for name in others]
        return [*others, *more, *(f"{Service.TRAINER}-{number}" for number in range(1, self.trainers + 1))]


ONE_OF_EACH = Processes()


@dataclass(frozen=True)
class Services:
    """Makes the programs of all services. Ports are by program name, such as `ingest` or `trainer-2`."""

    folder: Path
    servers: Servers
    ports: Mapping[str, int]
    pool: str = "default"
    pools: Sequence[str] = ("default",)
    trainer_module: str = "services.trainer"
    #: More settings by service, such as `{"trainer": {"PALIO_SLOTS": "1"}}`.
    more: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def programs(self) -> list[Program]:
        """One program for each port."""
        return [self._program(name) for name in self.ports]

    def environment(self, name: str) -> dict[str, str]:
        """The whole environment of a program."""
        service = service_of(name)
        settings = SETTINGS[service]
        environment = {
            **base_environment(self.folder / "home" / name),
            "PALIO_HTTP_HOST": LOOPBACK,
            "PALIO_HTTP_PORT": str(self.ports[name]),
        }
        environment |= self._reaches(service, settings)
        if issubclass(settings, CacheSettings):
            environment["PALIO_CACHE_DIR"] = str(self.folder / "cache" / name)
        if issubclass(settings, PublicSettings):
            environment["PALIO_ORIGIN"] = self.servers.origin
        return environment | self._own(service) | dict(self.more.get(service, {}))

    def _reaches(self, service: Service, settings: type[ServiceSettings]) -> dict[str, str]:
        servers = self.servers
        reaches: dict[str, str] = {}
        user = trainer_user(self.pool) if service is Service.TRAINER else service.value
        if issubclass(settings, DatabaseSettings):
            reaches["PALIO_DATABASE_URL"] = servers.postgres.url(role_of(service), servers.database_passwords[service])
        if issubclass(settings, BusSettings):
            reaches["PALIO_AMQP_URL"] = servers.rabbitmq.url(user)
        if issubclass(settings, StoreSettings):
            reaches["PALIO_S3_ENDPOINT"] = servers.seaweedfs.endpoint()
            reaches["PALIO_S3_ACCESS_KEY"] = user
            reaches["PALIO_S3_SECRET_KEY"] = servers.seaweedfs.secret(user)
        return reaches

    def _own(self, service: Service) -> dict[str, str]:
        pools = "[" + ",".join(f'"{pool}"' for pool in self.pools) + "]"
        match service:
            case Service.INGEST:
                return {"PALIO_POOLS": pools}
            case Service.TRAINER:
                return {"PALIO_POOL": self.pool}
            case Service.SCORER:
                return {"PALIO_WHEEL_DIR": str(WHEEL_FOLDER), **_index_settings()}
            case Service.MAILER:
                return {"PALIO_SMTP_HOST": LOOPBACK, "PALIO_SMTP_PORT": str(self.servers.smtp_port)}
            case Service.PORTAL:
                return {
                    "PALIO_WHEEL_DIR": str(WHEEL_FOLDER),
                    "PALIO_INGEST_URL": f"http://{LOOPBACK}:{self.ports['ingest']}",
                    "PALIO_LEADERBOARD_URL": f"http://{LOOPBACK}:{self.ports['leaderboard']}",
                }
            case _:
                return {}

    def _program(self, name: str) -> Program:
        home = self.folder / "home" / name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = self.ports[name]
        service = service_of(name)
        module = self.trainer_module if service is Service.TRAINER else f"services.{service}"
        return Program(
            name=name,
            title=name,
            command=(sys.executable, "-m", module),
            directory=ROOT,
            environment=self.environment(name),
            # A trainer may be in the middle of a fold; its message goes back to the queue.
            stop_wait_s=15,
            is_ready=lambda: _says_ready(port),
        )


#: Each service's settings class.
SETTINGS: Mapping[Service, type[ServiceSettings]] = {
    Service(settings.__name__.removesuffix("Settings").lower()): settings for settings in ALL_SETTINGS
}


def service_of(program: str) -> Service:
    """The service that a program runs: `trainer-2` runs the trainer."""
    return Service(program.partition("-")[0])


def _index_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_INDEX_PREFIXES) or name.upper() in _INDEX_NAMES}


def _says_ready(port: int) -> bool:
    # No proxy that the environment names: this is our own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{LOOPBACK}:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 (OK)
    except (urllib.error.URLError, OSError):
        return False
