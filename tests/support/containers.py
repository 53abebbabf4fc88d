"""The servers as containers (testcontainers), with the images that compose.yaml uses. PALIO_TEST_<NAME>_IMAGE names others."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg2
from sqlalchemy import URL
from testcontainers.core.container import DockerContainer

from deploy.compose.store import set_up_minio
from deploy.local.ports import LOOPBACK, PortBlock, is_listening
from deploy.local.services import ROOT
from shared.bus.topology import definitions, users
from shared.migrations.roles import SERVICES
from tests.support.servers import POOLS, Servers

_LIMIT_S = 120
IMAGES = {
    "POSTGRES": "postgres:18",
    "RABBITMQ": "rabbitmq:4",
    "MINIO": "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z",
}
#: Every container's superuser.
_ADMINISTRATOR = "palio-tests"


def image(name: str) -> str:
    """The image of a server: the one that the environment names, or ours."""
    return os.environ.get(f"PALIO_TEST_{name}_IMAGE", IMAGES[name])


@contextmanager
def container_servers() -> Iterator[Servers]:
    """PostgreSQL, RabbitMQ and MinIO in containers that end with the context; mail goes to our own catcher."""
    password = secrets.token_hex(16)
    amqp = {str(user): secrets.token_hex(16) for user in users(POOLS)}
    s3 = {name: secrets.token_hex(16) for name in ("ingest", "scorer", "leaderboard", "mailer", "trainer-default", "operator")}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="palio-containers-")))
        postgres = stack.enter_context(
            DockerContainer(image("POSTGRES"))
            .with_env("POSTGRES_USER", _ADMINISTRATOR)
            .with_env("POSTGRES_PASSWORD", password)
            .with_exposed_ports(5432)
        )
        rabbitmq = stack.enter_context(_rabbitmq(folder, amqp))
        minio = stack.enter_context(
            DockerContainer(image("MINIO"))
            .with_env("MINIO_ROOT_USER", _ADMINISTRATOR)
            .with_env("MINIO_ROOT_PASSWORD", password)
            .with_exposed_ports(9000)
            .with_command("server /data")
        )
        url = URL.create("postgresql+psycopg2", _ADMINISTRATOR, password, *_place(postgres, 5432), database=_ADMINISTRATOR)
        endpoint = "http://{}:{}".format(*_place(minio, 9000))
        _wait(
            "PostgreSQL", lambda: psycopg2.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)).close()
        )
        _wait("MinIO", lambda: set_up_minio(endpoint, _ADMINISTRATOR, password, s3, POOLS))
        host, port = _place(rabbitmq, 5672)
        _wait("RabbitMQ", lambda: _log_shows(rabbitmq, "Server startup complete"))
        smtp_port = stack.enter_context(_mail_catcher(folder / "mail"))
        yield Servers(
            superuser_url=url,
            database_passwords={service: secrets.token_hex(16) for service in SERVICES},
            amqp_urls={user: f"amqp://{user}:{secret}@{host}:{port}/%2F" for user, secret in amqp.items()},
            s3_endpoint=endpoint,
            s3_secrets=s3,
            smtp_port=smtp_port,
            mail_folder=folder / "mail",
        )


def _rabbitmq(folder: Path, passwords: dict[str, str]) -> DockerContainer:
    content = folder / "definitions.json"
    content.write_text(json.dumps(definitions(passwords, POOLS)))
    # The server's user is not ours.
    folder.chmod(0o755)
    return (
        DockerContainer(image("RABBITMQ"))
        .with_volume_mapping(str(content), "/definitions/definitions.json", "ro")
        .with_volume_mapping(str(ROOT / "deploy" / "rabbitmq.conf"), "/etc/rabbitmq/conf.d/20-palio.conf", "ro")
        .with_exposed_ports(5672)
    )


@contextmanager
def _mail_catcher(folder: Path) -> Iterator[int]:
    with PortBlock() as ports:
        port = ports.take()
        command = [sys.executable, "-m", "deploy.local.mailcatcher", str(port), str(folder)]
        with subprocess.Popen(command, cwd=ROOT) as process:
            try:
                _wait("the mail catcher", lambda: None if is_listening(port) else 1 / 0)
                yield port
            finally:
                process.terminate()


def _place(container: DockerContainer, port: int) -> tuple[str, int]:
    host = container.get_container_host_ip()
    return (LOOPBACK if host == "localhost" else host), int(container.get_exposed_port(port))


def _log_shows(container: DockerContainer, text: str) -> None:
    if text.encode() not in b"".join(container.get_logs()):
        raise LookupError(text)


def _wait(what: str, attempt: Callable[[], object]) -> None:
    """Try until it succeeds, for two minutes."""
    deadline = time.monotonic() + _LIMIT_S
    while True:
        try:
            attempt()
        except Exception as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} in its container does not become ready") from error
            time.sleep(0.2)
        else:
            return
