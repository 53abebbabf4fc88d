"""RabbitMQ from Debian's package: a node of its own beside any that runs already, with definitions loaded at each start."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy.local.credentials import Credentials, write_private
from deploy.local.ports import LOOPBACK, is_listening
from deploy.local.program import Program, base_environment
from deploy.local.trouble import TroubleError
from shared.bus.topology import CONSUMER_TIMEOUT_MS, MAX_MESSAGE_BYTES, definitions

#: Where packages put the server. Debian's /usr/sbin/rabbitmq-server is a wrapper that insists on being root or `rabbitmq`.
_SERVER_PLACES = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/local/lib/rabbitmq/bin/rabbitmq-server")
NODE = "palio@localhost"


@dataclass(frozen=True)
class RabbitPorts:
    """Its ports, all on 127.0.0.1."""

    amqp: int
    distribution: int
    epmd: int


class RabbitMQ:
    """A node below `folder`, with its own epmd: the machine's may belong to another broker, and would outlive ours."""

    def __init__(self, folder: Path, ports: RabbitPorts, credentials: Credentials, pools: tuple[str, ...]) -> None:
        """Nothing is started or written yet."""
        self._folder = folder
        self._ports = ports
        self._credentials = credentials
        self._pools = pools

    def prepare(self) -> None:
        """Write the configuration. Raises `TroubleError` when RabbitMQ is not installed."""
        server_path()
        for name in ("home", "log", "mnesia"):
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._folder / "home" / ".erlang.cookie", self._credentials.secret("broker", "erlang-cookie"))
        (self._folder / "home" / ".erlang.cookie").chmod(0o400)
        write_private(self._folder / "rabbitmq.conf", self._configuration())
        write_private(self._folder / "enabled_plugins", "[].\n")
        write_private(self._folder / "rabbitmq-env.conf", "")
        content = definitions(self._credentials.broker(self._pools), self._pools)
        write_private(self._folder / "definitions.json", json.dumps(content))

    def programs(self) -> tuple[Program, Program]:
        """Erlang's port mapper, then the server."""
        environment = self._environment()
        port_mapper = Program(
            name="epmd",
            command=("epmd", "-port", str(self._ports.epmd)),
            directory=self._folder,
            environment=environment,
            stop_wait_s=2,
            is_ready=lambda: is_listening(self._ports.epmd),
        )
        server = Program(
            name="rabbitmq",
            title="RabbitMQ",
            command=(str(server_path()),),
            directory=self._folder,
            environment=environment,
            stop_wait_s=30,
            # It opens its port after it has loaded the definitions [3.10.8: "Ready to start client connection listeners"].
            is_ready=lambda: is_listening(self._ports.amqp),
        )
        return port_mapper, server

    def url(self, user: str) -> str:
        """The AMQP URL for one of the broker's users."""
        password = self._credentials.broker(self._pools)[user]
        return f"amqp://{user}:{password}@{LOOPBACK}:{self._ports.amqp}/%2F"

    def _configuration(self) -> str:
        lines = (
            f"listeners.tcp.1 = {LOOPBACK}:{self._ports.amqp}",
            "num_acceptors.tcp = 2",
            "heartbeat = 6",
            # Who takes a hundred reports at once must be able to hold them, whatever a trainer sends.
            f"max_message_size = {MAX_MESSAGE_BYTES}",
            # Relative to the working directory: this format has no way to write a path with `#` or `%` in it.
            "load_definitions = definitions.json",
            # A trainer holds its message while it works. 3.10 knows only this global bound.
            f"consumer_timeout = {CONSUMER_TIMEOUT_MS}",
            # The write-ahead log of quorum queues is kept in memory up to this size; 512 MiB is meant for big brokers.
            "raft.wal_max_size_bytes = 67108864",
            "disk_free_limit.absolute = 500MB",
            "log.console = false",
            "log.file = rabbitmq.log",
            "log.file.level = info",
        )
        return "\n".join(lines) + "\n"

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            **base_environment(folder / "home"),
            "ERL_EPMD_PORT": str(self._ports.epmd),
            # Without it epmd listens on every interface.
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_DIST_PORT": str(self._ports.distribution),
            # Every file that would else be looked for in /etc/rabbitmq or written to /var.
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_MNESIA_DIR": str(folder / "mnesia" / "node"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
            # Makes the start script replace itself by the server instead of waiting for it, so that signals arrive.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        }


def server_path() -> Path:
    """The installed server. Raises `TroubleError`, saying how to get it."""
    for place in _SERVER_PLACES:
        if os.access(place, os.X_OK):
            return Path(place)
    if shutil.which("docker"):
        raise TroubleError("RabbitMQ is missing: `sudo apt-get install rabbitmq-server`, or use `docker compose up` instead.")
    raise TroubleError("RabbitMQ is missing: `sudo apt-get install rabbitmq-server`, then run this again.")
