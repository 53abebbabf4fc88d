"""A whole platform, or its servers alone, in one folder on one machine: what `script/up` and the tests start."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.credentials import Credentials, write_private
from deploy.local.folder import StackFolder
from deploy.local.frontdoor import Upstreams, front_door
from deploy.local.operator import OPERATOR_FILE, operator_environment, shell_file
from deploy.local.ports import LOOPBACK, PortBlock, is_listening
from deploy.local.postgres import Postgres
from deploy.local.processes import end_all
from deploy.local.program import Program, base_environment
from deploy.local.rabbitmq import RabbitMQ, RabbitPorts
from deploy.local.seaweedfs import SeaweedFS, SeaweedPorts
from deploy.local.services import ONE_OF_EACH, ROOT, Processes, Servers, Services, service_of
from deploy.local.supervision import Supervisor
from deploy.local.trouble import TroubleError

_SERVERS = "servers"
_SERVICES = "services"
#: Bounds in seconds. On a slow disk a first start takes many times what it takes here (8 s for the servers).
_SERVERS_LIMIT_S = 120.0
_SERVICES_LIMIT_S = 90.0
_MIGRATION_LIMIT_S = 300
#: What a leftover gets to end by itself: PostgreSQL writes its buffers, RabbitMQ closes its queues.
_GRACE_S = 20.0


class Stack:
    """PostgreSQL, RabbitMQ, SeaweedFS, a mail catcher, the services and the front door, in one folder.

    Data, secrets and logs stay in the folder; the next start finds them. Only one process at a time has a folder. Ending this
    object ends every process it started; if it is killed instead, the kernel ends them, and what survives even that the next
    start finds by its mark and ends. Start it from the main thread, see `Supervisor.start`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        front_port: int | None = None,
        processes: Processes = ONE_OF_EACH,
        pool: str = "default",
        other_pools: Sequence[str] = (),
        durable: bool = True,
        settings: Mapping[str, Mapping[str, str]] | None = None,
        report: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Nothing is touched yet.

        `front_port` is the front door's, or None for a free one; all other ports are free ones. The trainers serve `pool`;
        `other_pools` are there for trainers that somebody else starts. `durable=False` lets a power cut lose data, for tests.
        `settings` adds settings by service. `report` is told what is unusual about a start.
        """
        self._folder = StackFolder(folder)
        self.path = self._folder.path
        self.pools = (pool, *other_pools)
        self._front_port = front_port
        self._processes = processes
        self._durable = durable
        self._settings = settings or {}
        self._report = report
        self._ports: PortBlock | None = None
        self._supervisor: Supervisor | None = None
        self._mark = ""
        self._built = False

    def start_servers(self) -> None:
        """Start the servers and wait until they answer. Raises `TroubleError`; nothing of this start runs then."""
        if self._front_port is not None and is_listening(self._front_port):
            raise TroubleError(f"Port {self._front_port} is taken: end what listens there, or choose another with --port.")
        self._folder.take()
        try:
            self._render()
            leftovers = end_all(self._mark, grace_s=_GRACE_S)
            if leftovers:
                self._report(f"ended {leftovers} processes that an earlier start had left behind")
            write_private(self.path / OPERATOR_FILE, shell_file(self.operator_environment()))
            self._start_supervisor()
            self.supervisor.start_group(_SERVERS, limit_s=_SERVERS_LIMIT_S)
            self.postgres.create_database()
        except BaseException:
            self.stop()
            raise

    def migrate(self) -> None:
        """Bring database and buckets to this release. A second call changes nothing. Raises `TroubleError`."""
        passwords = {f"PALIO_{name.upper()}_DATABASE_PASSWORD": secret for name, secret in self.credentials.database().items()}
        self._run("shared.migrations", {**self.operator_environment(), **passwords})
        self._run("shared.artefacts.setup", self.operator_environment())
        if self._durable:
            self.seaweedfs.sync_writes()

    def restore(self, backups: Path) -> str:
        """Restore the newest backup of a folder, with mail turned off, before services start; what was checked, in words.

        The servers run and are migrated. Raises `TroubleError`, as for a database that holds a platform already.
        """
        return self._run("palio", self.operator_environment(), "restore", str(backups), limit_s=None)

    def start_services(self) -> None:
        """Start the services and the front door, and wait until each says it is ready. Raises `TroubleError`."""
        self.supervisor.start_group(_SERVICES, limit_s=_SERVICES_LIMIT_S)

    def appoint_administrator(self, name: str) -> None:
        """Make a registered person an administrator. A second call changes nothing. Raises `TroubleError`."""
        self._run("services.ingest.appoint", self.services.environment("ingest"), name)

    def operator_environment(self) -> dict[str, str]:
        """What operators' commands need to reach this platform with all rights."""
        # For `palio appoint`, which records in the name of ingest.
        appoints = {"PALIO_DATABASE_URL": self.services.environment("ingest")["PALIO_DATABASE_URL"]}
        return appoints | operator_environment(
            self.postgres,
            self.rabbitmq,
            self.seaweedfs,
            self.service_ports,
            pools=self.pools,
            origin=self.origin,
            folder=self.path,
        )

    def stop(self) -> None:
        """End every process and give back folder and ports. A second call does nothing."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
        if self._mark:
            end_all(self._mark, grace_s=_GRACE_S)
            self._mark = ""
        if self._built:
            self.seaweedfs.remove_sockets()
        if self._ports is not None:
            self._ports.close()
            self._ports = None
        self._folder.release()

    @property
    def runs(self) -> bool:
        """Whether anything of it may run."""
        return self._supervisor is not None

    @property
    def supervisor(self) -> Supervisor:
        """What runs the programs: to end, start or find a single one. Only while the stack runs."""
        if self._supervisor is None:
            raise RuntimeError("the stack does not run")
        return self._supervisor

    @property
    def log_folder(self) -> Path:
        """A log for each program."""
        return self.path / "log"

    @property
    def mail_folder(self) -> Path:
        """A Maildir with every mail that was sent."""
        return self.path / "mail"

    @contextmanager
    def rendered(self) -> Iterator[None]:
        """Folder, secrets, ports and settings as a start makes them, without starting anything."""
        self._folder.take()
        try:
            self._render()
            yield
        finally:
            self.stop()

    def _render(self) -> None:
        self.credentials = Credentials(self.path / "secrets")
        self._mark = self.credentials.secret("stack", "mark")
        self._ports = PortBlock()
        self._build(self._ports)

    def _build(self, ports: PortBlock) -> None:
        sockets = self._folder.sockets()
        take = ports.take
        self.postgres = Postgres(self.path / "postgres", sockets, self.credentials, durable=self._durable)
        rabbit_ports = RabbitPorts(amqp=take(), distribution=take(), epmd=take())
        self.rabbitmq = RabbitMQ(self.path / "rabbitmq", rabbit_ports, self.credentials, self.pools)
        seaweed_ports = SeaweedPorts(*(take() for _ in range(8)))
        self.seaweedfs = SeaweedFS(self.path / "seaweedfs", sockets, seaweed_ports, self.credentials, self.pools)
        self.smtp_port = take()
        front_port = self._front_port or take()
        self.origin = f"http://{LOOPBACK}:{front_port}"
        self.service_ports = {name: take() for name in self._processes.names}
        servers = Servers(
            postgres=self.postgres,
            rabbitmq=self.rabbitmq,
            seaweedfs=self.seaweedfs,
            database_passwords=self.credentials.database(),
            smtp_port=self.smtp_port,
            origin=self.origin,
        )
        self.services = Services(
            folder=self.path,
            servers=servers,
            ports=self.service_ports,
            pool=self.pools[0],
            pools=self.pools,
            trainer_module=self._processes.trainer_module,
            more=self._settings,
        )
        upstreams = Upstreams(*(self._ports_of(name) for name in ("ingest", "leaderboard", "portal")))
        self._front_door = front_door(self.path / "frontdoor", front_port, upstreams)
        self._built = True

    def _ports_of(self, service: str) -> list[int]:
        return [port for name, port in self.service_ports.items() if service_of(name) == service]

    def _start_supervisor(self) -> None:
        for server in (self.postgres, self.rabbitmq, self.seaweedfs):
            server.prepare()
        supervisor = Supervisor(self.path / "run", self._folder.sockets(), self.log_folder, self._mark)
        self._supervisor = supervisor
        supervisor.start(
            {
                _SERVERS: [*self.rabbitmq.programs(), self.postgres.program(), self.seaweedfs.program(), self._mail_catcher()],
                _SERVICES: [*self.services.programs(), self._front_door],
            }
        )

    def _mail_catcher(self) -> Program:
        port = self.smtp_port
        return Program(
            name="mailcatcher",
            title="mail catcher",
            command=(sys.executable, "-m", "deploy.local.mailcatcher", str(port), str(self.mail_folder)),
            directory=ROOT,
            environment=base_environment(self.path / "run"),
            stop_wait_s=3,
            is_ready=lambda: is_listening(port),
        )

    def _run(
        self, module: str, environment: Mapping[str, str], *arguments: str, limit_s: float | None = _MIGRATION_LIMIT_S
    ) -> str:
        """Run a module of this repository to its end, with nothing in its environment but what it needs; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**base_environment(self.path / "run"), **environment},
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        if done.returncode != 0:
            output = self.log_folder / f"{module}.log"
            output.write_text(done.stdout + done.stderr)
            last = (done.stderr.strip().splitlines() or ["(nothing)"])[-1]
            raise TroubleError(f"`python -m {module}` failed; the end of {output}: {last}")
        return done.stdout

    def __enter__(self) -> Self:
        """The stack, for a `with` statement that ends it. Nothing is started yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        self.stop()
