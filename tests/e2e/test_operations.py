"""`palio ops status` of a whole platform: as an operator's shell runs it, and with parts of it down."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.local.operator import OPERATOR_FILE
from deploy.local.stack import Stack
from operations.judgement import BOUNDS
from palio.cli import main
from shared.events import Service
from tests.support.waiting import wait_until

#: What other tests on this platform leave: lies among the dead letters, submissions that nobody trains.
LEFT = {"dead-letters", "no-trainers", "pool-wait"}
PALIO = Path(sys.executable).with_name("palio")


def ops_status(environment: Mapping[str, str], *words: str) -> tuple[Result, dict[str, Any]]:
    result = CliRunner().invoke(main, ["ops", "status", "--json", *words], env=environment)
    return result, json.loads(result.stdout)


def broken(told: dict[str, Any]) -> set[str]:
    return {each["bound"] for each in told["broken"]}


@pytest.fixture
def without_mailer(platform: Stack) -> Iterator[None]:
    platform.supervisor.stop_program("mailer")
    yield
    platform.supervisor.start_program("mailer")
    wait_until(platform.supervisor.program("mailer").is_ready, "the mailer to be back")


def test_an_operators_shell_needs_one_file_and_sees_everything(platform: Stack) -> None:
    file = platform.path / OPERATOR_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Its exit code tells of what other tests left.
    script = f'set -a; . "$1"; set +a; "{PALIO}" dead-letters list --json >&2; exec "{PALIO}" ops status --json'
    done = subprocess.run(["bash", "-euc", script, "bash", file], capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == bool(told["broken"]), done.stderr
    assert broken(told) <= LEFT, told["broken"]
    assert told["away"] == {}
    assert {each["name"].partition("-")[0] for each in told["services"]} == {service.value for service in Service}
    assert all(each["ready"] for each in told["services"])
    assert {each["name"] for each in told["projections"]} == {"leaderboard", "mailer", "orchestrator", "scorer"}
    assert {"scorer.events", "orchestrator.reports", "palio.dead-letters", "trainer.default"} <= {
        each["name"] for each in told["queues"]
    }
    assert told["disks"][0]["free_bytes"] > 0


def test_a_bound_that_is_broken_is_named_with_the_runbooks_section(platform: Stack) -> None:
    environment = platform.operator_environment()
    result, told = ops_status(environment, "--min-free-disk-gib", "1000000")
    assert (result.exit_code, "free-disk" in broken(told)) == (1, True)
    words = CliRunner().invoke(main, ["ops", "status", "--min-free-disk-gib", "1000000"], env=environment).stdout
    assert "BROKEN free-disk" in words
    assert "docs/runbook.md#free-disk" in words


@pytest.mark.usefixtures("without_mailer")
def test_a_service_that_is_down_is_named(platform: Stack) -> None:
    result, told = ops_status(platform.operator_environment())
    assert (result.exit_code, "service-away" in broken(told)) == (1, True)
    assert [each["name"] for each in told["services"] if not each["alive"]] == ["mailer"]


def test_servers_that_are_down_are_named_and_the_rest_is_seen(platform: Stack) -> None:
    environment = {
        **platform.operator_environment(),
        "PALIO_OWNER_DATABASE_URL": "postgresql+psycopg2://palio:hunter2@127.0.0.1:1/palio",
        "PALIO_AMQP_URL": "amqp://operator:hunter2@127.0.0.1:1/",
        "PALIO_S3_ENDPOINT": "http://127.0.0.1:1",
    }
    result, told = ops_status(environment)
    assert result.exit_code == 1
    assert set(told["away"]) == {"PostgreSQL", "RabbitMQ", "object store"}
    assert all(each["ready"] for each in told["services"])
    assert told["pools"]
    assert "hunter2" not in result.output
    assert broken(told) <= {*LEFT, "server-away"} <= {*BOUNDS}


def test_settings_that_are_missing_are_named_without_the_others_values() -> None:
    found = CliRunner().invoke(main, ["ops", "status"], env={"PALIO_OWNER_DATABASE_URL": "hunter2"})
    assert found.exit_code == 1
    assert "PALIO_SERVICE_URLS" in found.stderr
    assert "operator.env" in found.stderr
    assert "hunter2" not in found.output
