"""The relay as it runs: processes of its own, asked over HTTP how they are."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from deploy.local.ports import LOOPBACK
from deploy.local.services import ROOT
from tests.support.free_port import free_port


class RelayProcess:
    """One relay."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self._origin = f"http://{LOOPBACK}:{port}"

    def metric(self, name: str) -> float | None:
        """A metric without labels; None while it does not answer."""
        text = self._get("/metrics")
        values = [line.split()[1] for line in (text or "").splitlines() if line.startswith(f"{name} ")]
        return float(values[0]) if values else None

    def is_active(self) -> bool:
        """Whether it is the one that publishes."""
        return self.metric("palio_relay_active") == 1

    def readiness(self) -> str:
        """What stands in its way, as it says; empty while it does not answer."""
        return self._get("/readyz") or ""

    def kill(self) -> None:
        """End it by SIGKILL, as a machine's death would."""
        self._process.kill()
        self._process.wait()

    def _get(self, path: str) -> str | None:
        assert self._process.poll() is None, "the relay has ended"
        try:
            return httpx.get(f"{self._origin}{path}", timeout=5).text
        except httpx.TransportError:
            return None


@contextmanager
def running_relay(environment: Mapping[str, str]) -> Iterator[RelayProcess]:
    """A relay for the length of a `with`; it need not be ready at the beginning."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "services.relay"],
        cwd=ROOT,
        env={**environment, "PALIO_HTTP_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield RelayProcess(process, port)
    finally:
        process.kill()
        process.wait()
