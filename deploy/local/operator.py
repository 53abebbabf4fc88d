"""What operators' commands need to reach a stack, with all rights: a file for its owner's shell."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.access import SETUP_KEY
from deploy.local.ports import LOOPBACK
from deploy.local.postgres import Postgres
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.seaweedfs import SeaweedFS

#: In the stack's folder, of mode 0600, written anew at each start: ports change.
OPERATOR_FILE = "operator.env"


def operator_environment(
    postgres: Postgres,
    rabbitmq: RabbitMQ,
    seaweedfs: SeaweedFS,
    service_ports: Mapping[str, int],
    *,
    pools: Sequence[str],
    origin: str,
    folder: Path,
) -> dict[str, str]:
    """The variables of `OperatorSettings`, and where `palio` finds the API."""
    return {
        "PALIO_OWNER_DATABASE_URL": postgres.owner_url(),
        "PALIO_AMQP_URL": rabbitmq.url("operator"),
        "PALIO_S3_ENDPOINT": seaweedfs.endpoint(),
        "PALIO_S3_ACCESS_KEY": SETUP_KEY,
        "PALIO_S3_SECRET_KEY": seaweedfs.secret(SETUP_KEY),
        "PALIO_SERVICE_URLS": json.dumps({name: f"http://{LOOPBACK}:{port}" for name, port in service_ports.items()}),
        "PALIO_POOLS": json.dumps(list(pools)),
        "PALIO_DISK_PATHS": json.dumps([str(folder)]),
        "PALIO_ORIGIN": origin,
        "PALIO_SERVER": origin,
    }


def shell_file(environment: Mapping[str, str]) -> str:
    """A file that a shell reads, with a value quoted where it needs that."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    head = "# What operators' commands need. Usage: set -a; . ./operator.env; set +a; palio ops status"
    return "\n".join([head, *lines, ""])
