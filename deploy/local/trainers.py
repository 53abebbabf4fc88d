"""Further trainers beside a stack, each by its own command as on any host: what scaling tests and benchmarks start and stop."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.local.ports import LOOPBACK, PortBlock
from deploy.local.services import ROOT
from deploy.local.stack import Stack
from deploy.local.trouble import TroubleError
from shared.bus.topology import trainer_user

#: Sixteen that start together on two cores need half a minute.
_READY_LIMIT_S = 120.0
_END_LIMIT_S = 20


@dataclass
class Trainer:
    """One replica, as a process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def is_ready(self) -> bool:
        """Whether it takes work. Raises `TroubleError` if it has ended."""
        if self.process.poll() is not None:
            raise TroubleError(f"a trainer ended by itself; the end of {self.log}: {self.log.read_text()[-2000:]}")
        try:
            return httpx.get(f"http://{LOOPBACK}:{self.port}/readyz", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(60)


@contextmanager
def trainers(
    stack: Stack, pool: str, folder: Path, *options: str, number: int, slots: int = 1, **settings: str
) -> Iterator[list[Trainer]]:
    """So many replicas on `pool`, one of the stack's other pools, ready for work; at the end all are told to end.

    `folder` is for their logs and their cache, which they share as on one host; `settings` are further environment variables,
    without `PALIO_`. Raises `TroubleError` if one ends, or is not ready in time.
    """
    # Ended by the kernel when whoever started it dies, however: it is not one of those that the stack's supervisor watches.
    command = ["setpriv", "--pdeathsig=TERM", "--", sys.executable, "-m", "services.trainer", "--pool", pool]
    command += ["--slots", str(slots), *options]
    environment = _environment(stack, pool, folder, settings)
    with ExitStack() as started:
        replicas = [started.enter_context(_started(command, environment, folder)) for _ in range(number)]
        deadline = time.monotonic() + _READY_LIMIT_S
        while not all(replica.is_ready for replica in replicas):
            if time.monotonic() > deadline:
                raise TroubleError(f"{number} trainers are not ready within {_READY_LIMIT_S:.0f} s")
            time.sleep(0.05)
        try:
            yield replicas
        finally:
            # All at once, so that each need not wait for the one before to be gone.
            for replica in replicas:
                replica.process.terminate()


@contextmanager
def trainer(stack: Stack, pool: str, folder: Path, *options: str, slots: int = 1, **settings: str) -> Iterator[Trainer]:
    """One replica; see `trainers`."""
    with trainers(stack, pool, folder, *options, number=1, slots=slots, **settings) as [replica]:
        yield replica


def _environment(stack: Stack, pool: str, folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    user = trainer_user(pool)
    return {
        **stack.services.environment("trainer-1"),
        "PALIO_AMQP_URL": stack.rabbitmq.url(user),
        "PALIO_S3_ACCESS_KEY": user,
        "PALIO_S3_SECRET_KEY": stack.seaweedfs.secret(user),
        "PALIO_CACHE_DIR": str(folder / "cache"),
        **{f"PALIO_{name.upper()}": value for name, value in settings.items()},
    }


@contextmanager
def _started(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[Trainer]:
    with PortBlock() as block:
        port = block.take()
        log = folder / f"trainer-{port}.log"
        environment = {**environment, "PALIO_HTTP_PORT": str(port)}
        with log.open("wb") as output, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=output) as process:
            try:
                yield Trainer(process, port, log)
            finally:
                # Says goodbye, so that its slots are not counted on; one that was killed already does not.
                process.terminate()
                try:
                    process.wait(_END_LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
