"""Trainers that a test starts and stops itself, on a pool that nobody else serves."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.local.ports import LOOPBACK
from deploy.local.services import ROOT
from deploy.local.stack import Stack
from shared.bus.topology import trainer_user
from tests.support.free_port import free_port
from tests.support.waiting import wait_until


@dataclass
class Trainer:
    """One replica, as a process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def is_ready(self) -> bool:
        """Whether it takes work."""
        assert self.process.poll() is None, f"the trainer ended: {self.log.read_text()[-2000:]}"
        try:
            return httpx.get(f"http://{LOOPBACK}:{self.port}/readyz", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(60)


@contextmanager
def trainer(platform: Stack, pool: str, folder: Path, *options: str, slots: int = 1, **settings: str) -> Iterator[Trainer]:
    """A replica on `pool`, started by its command as an operator does; at the end it is told to end.

    `folder` is for its cache and log; `settings` are further environment variables, without `PALIO_`.
    """
    port = free_port()
    user = trainer_user(pool)
    environment = {
        **platform.services.environment("trainer-1"),
        "PALIO_AMQP_URL": platform.rabbitmq.url(user),
        "PALIO_S3_ACCESS_KEY": user,
        "PALIO_S3_SECRET_KEY": platform.seaweedfs.secret(user),
        "PALIO_CACHE_DIR": str(folder / "cache"),
        "PALIO_HTTP_PORT": str(port),
        **{f"PALIO_{name.upper()}": value for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "services.trainer", "--pool", pool, "--slots", str(slots), *options]
    log = folder / f"trainer-{port}.log"
    with log.open("wb") as output, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=output) as process:
        replica = Trainer(process, port, log)
        try:
            wait_until(lambda: replica.is_ready, "the trainer to be ready")
            yield replica
        finally:
            # Says goodbye, so that its slots are not counted on; one that was killed already does not.
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
