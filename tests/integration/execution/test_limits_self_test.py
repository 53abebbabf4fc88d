"""The self-test at a service's start: silent where every limit holds, and naming each that does not."""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from shared.execution.sandbox import Bubblewrap, RunningSandbox, Sandbox, SandboxError, SandboxSpec, bubblewrap
from shared.execution.self_test import LimitName, missing_limits, require_limits
from shared.settings import SandboxSettings
from shared.workbench import open_sandbox
from tests.integration.execution.programs import KINDS

GIB = 1 << 30


class Weakened:
    """A sandbox that does not keep what it is asked for."""

    def __init__(self, sandbox: Sandbox, weakened: Callable[[SandboxSpec], SandboxSpec]) -> None:
        self._sandbox = sandbox
        self._weakened = weakened

    def start(self, spec: SandboxSpec) -> RunningSandbox:
        return self._sandbox.start(self._weakened(spec))


def without(**limits: float) -> Callable[[SandboxSpec], SandboxSpec]:
    def weakened(spec: SandboxSpec) -> SandboxSpec:
        changed: dict[str, int] = {name: type(getattr(spec.limits, name))(value) for name, value in limits.items()}
        return replace(spec, limits=replace(spec.limits, **changed))

    return weakened


@pytest.mark.parametrize("sandbox", KINDS, indirect=True)
def test_nothing_is_missing_here(sandbox: Bubblewrap) -> None:
    sandbox.check()
    assert missing_limits(sandbox) == []


WEAKENED: dict[LimitName, Callable[[SandboxSpec], SandboxSpec]] = {
    LimitName.NETWORK: lambda spec: replace(spec, network=True),
    LimitName.WALL_TIME: without(wall_time_s=60),
    LimitName.CPU_TIME: without(cpu_time_s=600),
    LimitName.MEMORY: without(memory_bytes=GIB),
    LimitName.PROCESSES: without(processes=1000),
    LimitName.OPEN_FILES: without(open_files=2000),
    LimitName.FILE_SIZE: without(file_bytes=GIB),
    LimitName.OUTPUT: without(output_bytes=GIB),
    LimitName.LOG: without(log_bytes=GIB),
}


@pytest.mark.parametrize("name", WEAKENED)
def test_a_limit_that_does_not_hold_is_found(name: LimitName, sandbox: Bubblewrap) -> None:
    assert name in [missing.limit for missing in missing_limits(Weakened(sandbox, WEAKENED[name]))]


def test_a_machine_without_a_filter_of_system_calls_is_found(sandbox: Bubblewrap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "filter_program", lambda **_: None)
    assert [missing.limit for missing in missing_limits(sandbox)] == [LimitName.SYSTEM_CALLS]


@pytest.fixture
def escaping(sandbox: Bubblewrap) -> Iterator[Sandbox]:
    """A sandbox whose daemons are on the host, where nobody ends them."""
    escaped = []

    def start_outside(spec: SandboxSpec) -> SandboxSpec:
        mark = re.search(r"palio-self-test-[-0-9a-f]+", spec.argv[-1])
        if mark:
            escaped.append(subprocess.Popen(["/bin/sh", "-c", f"sleep 60; : {mark[0]}"]))
        return spec

    yield Weakened(sandbox, start_outside)
    for process in escaped:
        process.kill()
        process.wait()


def test_a_process_that_outlives_its_sandbox_is_found(escaping: Sandbox) -> None:
    assert [missing.limit for missing in missing_limits(escaping)] == [LimitName.END]


def test_where_nothing_can_be_looked_at_nothing_is_taken_for_granted(sandbox: Bubblewrap) -> None:
    blind = Weakened(sandbox, lambda spec: replace(spec, argv=("/usr/bin/true",)))
    found = {missing.limit for missing in missing_limits(blind)}
    assert {LimitName.PRIVILEGES, LimitName.MEMORY, LimitName.CPU_TIME, LimitName.PROCESSES, LimitName.OUTPUT} <= found


def test_a_refusal_names_the_limit_what_mends_it_and_how_to_do_without(sandbox: Bubblewrap) -> None:
    unlimited = Weakened(sandbox, without(file_bytes=GIB))
    with pytest.raises(SandboxError) as refusal:
        require_limits(unlimited)
    assert str(refusal.value) == (
        "this machine does not give the limit 'file_size' (a file grew beyond its size). "
        "As root: apt-get install --reinstall util-linux "
        "- or do without it, at your own risk: PALIO_ACCEPT_MISSING_LIMITS='[\"file_size\"]'"
    )


def test_a_missing_limit_that_is_accepted_is_told_and_others_are_still_refused(sandbox: Bubblewrap) -> None:
    unlimited = Weakened(sandbox, without(file_bytes=GIB, open_files=2000))
    accepted = [LimitName.FILE_SIZE, LimitName.OPEN_FILES]
    assert {missing.limit for missing in require_limits(unlimited, accepted)} == set(accepted)
    with pytest.raises(SandboxError, match="'open_files'"):
        require_limits(unlimited, accepted[:1])


def test_a_limit_that_nobody_knows_is_refused_by_name(sandbox: Bubblewrap) -> None:
    with pytest.raises(SandboxError, match="no limit is called gravity; there are network, "):
        require_limits(sandbox, ["gravity"])


def test_a_bubblewrap_that_does_nothing_is_refused() -> None:
    with pytest.raises(SandboxError, match="bubblewrap gives no sandbox"):
        Bubblewrap(executable=Path("/usr/bin/false")).check()


@pytest.mark.parametrize("cgroups", ["auto", "off"])
def test_a_service_gets_a_sandbox_as_its_settings_say(cgroups: Literal["auto", "off"]) -> None:
    sandbox = open_sandbox(SandboxSettings(cgroups=cgroups))
    assert isinstance(sandbox, Bubblewrap)
    assert sandbox.cgroups is None or cgroups == "auto"


def test_a_service_does_not_start_where_a_limit_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "filter_program", lambda **_: None)
    with pytest.raises(SandboxError, match="'system_calls'"):
        open_sandbox(SandboxSettings())
    monkeypatch.setenv("PALIO_ACCEPT_MISSING_LIMITS", '["system_calls"]')
    open_sandbox(SandboxSettings())
