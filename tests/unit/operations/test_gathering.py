"""Parts that take a connection and say nothing: the look ends within seconds all the same, and names each."""

import socket
from collections.abc import Iterator

import pytest

from operations import broker, gathering
from operations.gathering import gather
from shared.settings import OperatorSettings


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on loopback at which somebody listens and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield server.getsockname()[1]


def test_parts_that_hang_are_named_and_waited_for_no_longer_than_is_said(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "HTTP_LIMIT_S", 0.2)
    monkeypatch.setattr(broker, "LIMIT_S", 0.2)
    settings = OperatorSettings.model_validate(
        {
            "owner_database_url": f"postgresql+psycopg2://palio:hunter2@127.0.0.1:{silent_port}/palio",
            "amqp_url": f"amqp://operator:hunter2@127.0.0.1:{silent_port}/",
            "s3_endpoint": f"http://127.0.0.1:{silent_port}",
            "s3_access_key": "operator",
            "s3_secret_key": "hunter2",
            "service_urls": {"orchestrator": f"http://127.0.0.1:{silent_port}", "relay": f"http://127.0.0.1:{silent_port}"},
        }
    )
    facts = gather(settings)
    assert set(facts.away) == {
        "PostgreSQL",
        "RabbitMQ",
        "object store",
        "the orchestrator's page /queue",
        "the orchestrator's page /silence",
    }
    assert [service.alive for service in facts.services] == [False, False]
    assert all(service.words for service in facts.services)
    assert facts.disks, "what is near is seen"
    assert "hunter2" not in str(facts)
