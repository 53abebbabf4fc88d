"""compose.yaml and the Dockerfile describe the system of docs/architecture.md: read by Compose itself, then looked at."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from deploy.access import grants
from deploy.compose.secret_file import required_names, with_missing
from deploy.compose.store import secret_variable
from deploy.local.services import ROOT, SETTINGS
from shared.bus.topology import CONSUMER_TIMEOUT_MS, password_variable, users
from shared.events import Service
from shared.migrations.roles import SERVICES as DATABASE_SERVICES
from shared.settings import OperatorSettings

COMPOSE = Path(sys.executable).with_name("docker-compose")
SERVERS = {"postgres", "rabbitmq", "minio", "mailpit", "frontdoor"}
ONCE = {"definitions", "migrate", "store"}
SANDBOXED = {"trainer", "scorer"}
NAMES = required_names((ROOT / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A different secret for every name that compose.yaml needs; nothing of this machine's Docker."""
    home = tmp_path_factory.mktemp("home")
    return {"PATH": os.environ["PATH"], "HOME": str(home), **{name: f"secret-{name}-" for name in NAMES}}


@pytest.fixture(scope="module")
def project(environment: dict[str, str]) -> dict[str, Any]:
    """The project as Compose understands it."""
    done = subprocess.run(
        [COMPOSE, "--project-directory", ROOT, "--env-file", os.devnull, "config", "--format", "json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    project: dict[str, Any] = json.loads(done.stdout)
    return project


def test_every_service_of_the_platform_and_every_server_is_there(project: dict[str, Any]) -> None:
    assert set(project["services"]) == SERVERS | ONCE | {service.value for service in Service}


def test_whatever_keeps_running_has_a_health_check_and_is_restarted(project: dict[str, Any]) -> None:
    for name in set(project["services"]) - ONCE:
        assert project["services"][name]["healthcheck"]["test"], name
        assert project["services"][name]["restart"] == "unless-stopped", name


def test_without_its_secrets_it_is_refused_with_the_command_that_makes_them(environment: dict[str, str]) -> None:
    command: list[str | Path] = [COMPOSE, "--project-directory", ROOT, "--env-file", os.devnull, "config"]
    without = {name: value for name, value in environment.items() if name != "PALIO_RELAY_AMQP_PASSWORD"}
    done = subprocess.run(command, env=without, capture_output=True, text=True, check=False)
    # Not the exit code: the wheel that Compose comes in here always ends with 0.
    assert done.stdout == ""
    assert "run script/compose-secrets" in done.stderr


def test_no_service_knows_a_secret_of_another(project: dict[str, Any]) -> None:
    known = {
        name: {
            secret
            for secret in NAMES
            if any(f"secret-{secret}-" in str(value) for value in service.get("environment", {}).values())
        }
        for name, service in project["services"].items()
    }
    for name in {service.value for service in Service}:
        own = f"PALIO_{'TRAINER_DEFAULT' if name == 'trainer' else name.upper()}_"
        assert all(secret.startswith(own) for secret in known[name]), name
    assert known["portal"] == known["mailpit"] == known["frontdoor"] == known["rabbitmq"] == set()
    assert known["postgres"] == {"PALIO_POSTGRES_PASSWORD"}
    assert known["minio"] == {"PALIO_MINIO_ROOT_PASSWORD"}
    assert not any("DATABASE" in secret for secret in known["trainer"])


def test_the_operators_container_is_started_by_hand_alone_and_is_told_all_that_its_commands_ask_for(
    environment: dict[str, str], project: dict[str, Any]
) -> None:
    assert "operator" not in project["services"]
    with_it = subprocess.run(
        [COMPOSE, "--project-directory", ROOT, "--env-file", os.devnull, "--profile", "operator", "config", "--format", "json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    operator = json.loads(with_it.stdout)["services"]["operator"]
    told = {
        name.lower().removeprefix("palio_"): json.loads(value) if value[0] in "[{" else value
        for name, value in operator["environment"].items()
    }
    settings = OperatorSettings.model_validate(told)
    assert set(settings.service_urls) == {service.value for service in Service}
    # It reaches what it asks: every service shares a network with it.
    networks = set(operator["networks"])
    assert all(networks & set(project["services"][service.value]["networks"]) for service in Service)
    assert operator["cap_drop"] == ["ALL"]
    assert operator["build"]["target"] == "operator"


def test_every_service_is_told_all_that_its_settings_ask_for(project: dict[str, Any]) -> None:
    for service, settings in SETTINGS.items():
        told = project["services"][service.value]["environment"]
        given = {name.lower().removeprefix("palio_"): value for name, value in told.items()}
        settings.model_validate(given)


def test_the_setup_gets_the_secret_of_every_user_that_there_is(project: dict[str, Any]) -> None:
    services = project["services"]
    assert {password_variable(user) for user in users(["default"])} <= set(services["definitions"]["environment"])
    assert {secret_variable(key) for key in grants(["default"])} <= set(services["store"]["environment"])
    assert {f"PALIO_{name.upper()}_DATABASE_PASSWORD" for name in DATABASE_SERVICES} <= set(services["migrate"]["environment"])


@pytest.mark.parametrize("name", sorted(SANDBOXED))
def test_what_runs_strangers_code_has_no_privilege(project: dict[str, Any], name: str) -> None:
    service = project["services"][name]
    assert service["user"] == "1000:1000"
    assert service["cap_drop"] == ["ALL"]
    assert {"no-new-privileges", "systempaths=unconfined", "seccomp=deploy/seccomp-trainer.json"} <= set(service["security_opt"])
    assert not service.get("privileged")
    assert "cap_add" not in service
    assert not any("docker.sock" in str(volume) for volume in service["volumes"])


def test_nothing_of_ours_has_a_capability_or_may_gain_one(project: dict[str, Any]) -> None:
    for name in ONCE | {service.value for service in Service}:
        assert project["services"][name]["cap_drop"] == ["ALL"], name
        assert "no-new-privileges" in project["services"][name]["security_opt"], name


def test_trainers_can_be_any_number(project: dict[str, Any]) -> None:
    trainer = project["services"]["trainer"]
    assert not {"container_name", "ports", "hostname"} & set(trainer)
    # A cache of its own for each: an anonymous volume.
    assert [volume.get("source") for volume in trainer["volumes"]] == [None]


def test_only_the_front_door_is_published_and_only_here(project: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in project["services"].items() if "ports" in service}
    assert set(published) == {"frontdoor"}
    assert [port["host_ip"] for port in published["frontdoor"]] == ["127.0.0.1"]


def test_a_trainer_meets_neither_the_database_nor_the_world(project: dict[str, Any]) -> None:
    networks = set(project["services"]["trainer"]["networks"])
    assert networks == {"bus", "store"}
    assert all(project["networks"][network]["internal"] for network in networks)
    reach_out = {name for name, service in project["services"].items() if {"edge", "index"} & set(service.get("networks") or {})}
    assert reach_out == {"frontdoor", "scorer"}


def test_each_service_is_built_from_a_target_of_its_own_requirements(project: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for service in Service:
        assert project["services"][service.value]["build"]["target"] == service.value
        stage = re.search(rf"^FROM builder AS {service}-venv\n(.*?)\n\n", dockerfile, re.DOTALL | re.MULTILINE)
        assert stage is not None
        assert f"requirements/{service}.txt" in stage[1]
        assert re.search(rf"^FROM platform AS {service}\nCOPY --from={service}-venv ", dockerfile, re.MULTILINE), service
    assert "PIP_REQUIRE_HASHES=1" in dockerfile
    assert dockerfile.index("USER palio") < dockerfile.index("FROM platform AS ingest")


def test_the_stage_that_builds_the_wheel_gets_all_that_its_builder_needs() -> None:
    names = re.search(r"\^\(([a-z|-]+)\)==", (ROOT / "Dockerfile").read_text())
    assert names is not None
    needed, found = ["hatchling"], set()
    while needed:
        name = needed.pop()
        found.add(name)
        for text in requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed.append(requirement.name)
    assert set(names[1].split("|")) == found


def test_the_seccomp_profile_lets_bubblewrap_work_and_refuses_the_kernel_itself() -> None:
    profile = json.loads((ROOT / "deploy" / "seccomp-trainer.json").read_text())
    refused = {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ERRNO" for name in rule["names"]}
    assert profile["defaultAction"] == "SCMP_ACT_ALLOW"
    assert not refused & {"clone", "clone3", "unshare", "mount", "umount2", "pivot_root", "prctl", "seccomp", "setns"}
    assert {
        "bpf",
        "init_module",
        "finit_module",
        "kexec_load",
        "keyctl",
        "add_key",
        "perf_event_open",
        "ptrace",
        "userfaultfd",
    } <= refused


def test_the_brokers_acknowledgement_timeout_is_that_of_the_topology() -> None:
    assert f"consumer_timeout = {CONSUMER_TIMEOUT_MS}\n" in (ROOT / "deploy" / "rabbitmq.conf").read_text()


def test_secrets_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    for part in ("compose.yaml", "script/compose-secrets", "deploy/compose/secret_file.py"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / part, tmp_path / part)
    subprocess.run([tmp_path / "script" / "compose-secrets"], check=True, capture_output=True)
    first = (tmp_path / ".env").read_text()
    subprocess.run([tmp_path / "script" / "compose-secrets"], check=True, capture_output=True)
    assert (tmp_path / ".env").read_text() == first
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    pairs = dict(line.split("=", 1) for line in first.splitlines())
    assert set(pairs) == set(NAMES)
    assert len(set(pairs.values())) == len(NAMES)


def test_what_stands_in_the_secret_file_already_is_kept() -> None:
    content = with_missing("PALIO_PORT=9000\nPALIO_A=mine\n", ["PALIO_A", "PALIO_B"])
    assert content.startswith("PALIO_PORT=9000\nPALIO_A=mine\nPALIO_B=")
