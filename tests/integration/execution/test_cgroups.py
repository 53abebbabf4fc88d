"""Control groups of this machine, as far as this user may make some: what they give beyond a watcher, and that none is left."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from shared.execution.environments.interpreters import Interpreter
from shared.execution.sandbox import Bubblewrap, CgroupError, EndedBy
from shared.execution.sandbox.cgroup_places import SERVICE_GROUP, _hierarchies, find_places
from shared.execution.sandbox.cgroups import V1, V2, Cgroups, Controller, Place, _clear, _owner, _removed
from tests.integration.execution.programs import LIMITS, ROOT, Run, python_spec
from tests.support.waiting import wait_until

MIB = 1 << 20


@pytest.fixture
def places() -> Mapping[Controller, Place]:
    try:
        return find_places(Path("/proc/self"))
    except CgroupError as error:
        pytest.skip(f"no control group can be made here: {error}")


@pytest.fixture(autouse=True)
def nothing_is_left(places: Mapping[Controller, Place]) -> Iterator[None]:
    yield
    # Of this process: other services may have theirs in the same place.
    assert not [group for place in places.values() for group in place.folder.glob(f"{_owner(os.getpid())}-*")]


@pytest.fixture
def sandbox(places: Mapping[Controller, Place]) -> Bubblewrap:
    return Bubblewrap(cgroups=Cgroups(places))


def test_the_kernel_ends_what_outgrows_its_group_between_two_looks(places: Mapping[Controller, Place]) -> None:
    if Controller.MEMORY not in places:
        pytest.skip("memory cannot be limited by a group here")
    program = "import sys; sys.stdin.read(1); bytearray(1 << 30)"
    with (
        Cgroups(places).group(replace(LIMITS, memory_bytes=64 * MIB)) as group,
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process,
    ):
        group.enter(process.pid)
        assert not group.ran_out_of_memory()
        process.communicate(b"x")
        assert process.returncode == -9
        assert group.ran_out_of_memory()
        assert 64 * MIB < group.peak_bytes() < 96 * MIB


def test_what_connections_hold_is_limited_too(places: Mapping[Controller, Place]) -> None:
    if Controller.MEMORY not in places or places[Controller.MEMORY].interface is not V1:
        pytest.skip("version 2 counts it as memory")
    program = """
import socket, sys
sys.stdin.read(1)
listener = socket.create_server(("127.0.0.1", 0), backlog=100)
held = []
for _ in range(60):
    held += [client := socket.create_connection(listener.getsockname()), listener.accept()[0]]
    client.setblocking(False)
    try:
        while True: client.send(bytes(60_000))
    except BlockingIOError: pass
print("full", flush=True)
sys.stdin.read()
"""
    with (
        Cgroups(places).group(replace(LIMITS, memory_bytes=64 * MIB)) as group,
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        group.enter(process.pid)
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.readline() == b"full\n"
        [folder] = {folder for folder in group._folders if (folder / "memory.kmem.tcp.usage_in_bytes").exists()}
        # Each may go on with a little when all together have too much.
        assert 0 < int((folder / "memory.kmem.tcp.usage_in_bytes").read_text()) < 32 * MIB
        process.kill()
        process.wait()


def test_memory_that_is_held_for_a_moment_only_is_seen(run_python: Run) -> None:
    # Far from its limit it is looked at ten times a second.
    result = run_python("import time; time.sleep(0.5)\nbytearray(60 << 20)\ntime.sleep(0.5)", memory_bytes=8 << 30)
    assert 60 * MIB < result.usage.peak_memory_bytes < 90 * MIB


def test_the_cpu_time_of_processes_that_nobody_waits_for_counts(run_python: Run) -> None:
    code = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        end = time.process_time() + 0.02
        while time.process_time() < end: pass
        os._exit(0)
    time.sleep(0.02)
"""
    assert run_python(code, cpu_time_s=1, wall_time_s=60).ended_by is EndedBy.CPU_TIME_LIMIT


def test_groups_that_a_dead_service_left_are_removed_with_all_in_them_and_no_others(places: Mapping[Controller, Place]) -> None:
    program = f"""
import subprocess, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from shared.execution.sandbox.cgroup_places import SERVICE_GROUP, _hierarchies, find_places
from shared.execution.sandbox.cgroups import Cgroups
from tests.integration.execution.programs import LIMITS
group = Cgroups(find_places(Path("/proc/self"))).group(LIMITS)
orphan = subprocess.Popen(["sleep", "1000"])
group.enter(orphan.pid)
print(*group._folders, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout
        left = [Path(path) for path in service.stdout.readline().split()]
        Cgroups(places)
        assert left
        assert all((path / "cgroup.procs").read_text() for path in left)
        service.kill()
    Cgroups(places)
    assert not any(path.exists() for path in left)


@pytest.fixture
def version_2() -> Iterator[Path]:
    """A group of version 2 for a test, with a controller, whichever it is."""
    mounts = [each for each in _hierarchies(Path("/proc/self/mountinfo").read_text()) if each.is_v2]
    if not mounts or not os.access(mounts[0].mounted_at, os.W_OK):
        pytest.skip("no control group of version 2 can be made here")
    root = mounts[0].mounted_at
    available = (root / "cgroup.controllers").read_text().split()
    lent = [] if (root / "cgroup.subtree_control").read_text().split() else available[:1]
    for name in lent:
        (root / "cgroup.subtree_control").write_text(f"+{name}")
    group = root / f"palio-test-{os.getpid()}"
    group.mkdir()
    yield group
    wait_until(lambda: _removed(group), "the test's group to be empty")
    for name in lent:
        # Busy where another run of this test has it.
        with suppress(OSError):
            (root / "cgroup.subtree_control").write_text(f"-{name}")


def test_a_group_of_version_2_counts_cpu_time(interpreter: Interpreter, version_2: Path) -> None:
    cgroups = Cgroups({Controller.CPU: Place(V2, version_2)})
    spec = python_spec(interpreter, "import os\nos.fork()\nwhile True: pass", cpu_time_s=1)
    result = Bubblewrap(cgroups=cgroups).start(spec).wait()
    assert result.ended_by is EndedBy.CPU_TIME_LIMIT
    assert result.usage.cpu_time_s > 1
    assert not list(version_2.glob("palio-sandbox-*"))


def test_what_starts_processes_without_end_is_ended_with_its_group(version_2: Path) -> None:
    group = version_2 / "left"
    group.mkdir()
    # Each lives long enough to start the next one only.
    code = "import os, sys\nsys.stdin.read(1)\nwhile True:\n    if os.fork(): os._exit(0)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        (group / "cgroup.procs").write_text(str(process.pid))
        process.communicate(b"x")
    assert not _removed(group)
    _clear(group)
    assert not group.exists()


def handing_down(group: Path, *, with_another_process: bool) -> subprocess.CompletedProcess[str]:
    """A service in this group that wants its controllers for groups below."""
    program = f"""
import subprocess, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from shared.execution.sandbox.cgroup_places import _hand_down
group = Path({str(group)!r})
(group / "cgroup.procs").write_text("0")
other = subprocess.Popen(["cat"], stdin=subprocess.PIPE) if {with_another_process} else None
controllers = (group / "cgroup.controllers").read_text().split()
_hand_down(group, controllers)
print((group / "cgroup.subtree_control").read_text().split() == controllers, Path("/proc/self/cgroup").read_text())
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_a_service_alone_in_its_group_steps_aside_so_that_groups_below_can_be_limited(version_2: Path) -> None:
    if not (version_2 / "cgroup.controllers").read_text().split():
        pytest.skip("this machine has no controller of version 2")
    done = handing_down(version_2, with_another_process=False)
    assert done.stdout.startswith("True "), done.stderr
    assert f"0::/{version_2.name}/{SERVICE_GROUP}" in done.stdout
    (version_2 / SERVICE_GROUP).rmdir()


def test_other_processes_in_a_services_group_are_not_touched(version_2: Path) -> None:
    if not (version_2 / "cgroup.controllers").read_text().split():
        pytest.skip("this machine has no controller of version 2")
    done = handing_down(version_2, with_another_process=True)
    assert "other processes than this service are in" in done.stderr
    assert not (version_2 / SERVICE_GROUP).exists()
