"""What any sandbox promises: nothing of the host is seen, nothing of it can be changed, and nothing outlives it."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from shared.execution.environments.interpreters import Interpreter
from shared.execution.sandbox import Bubblewrap, EndedBy, Mount, SandboxError, SandboxSpec, open_cgroups, seccomp
from tests.integration.execution.programs import KINDS, LIMITS, ROOT, Run, processes_with, python_spec
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("sandbox", KINDS, indirect=True)


def test_exit_codes_and_signals_are_told_apart(run_python: Run) -> None:
    assert run_python("raise SystemExit(7)").exit_code == 7
    killed = run_python("import os; os.kill(os.getpid(), 9)")
    assert (killed.ended_by, killed.exit_code, killed.signal) == (EndedBy.EXIT, None, signal.SIGKILL)


def test_only_a_minimal_read_only_system_is_seen(run_python: Run, interpreter: Interpreter) -> None:
    result = run_python(
        """
import json, os
def refused(path):
    try:
        open(os.path.join(path, "x"), "w")
    except OSError as error:
        return error.strerror
print(json.dumps({
    "root": sorted(os.listdir("/")),
    "etc": sorted(os.listdir("/etc")),
    "writable": [path for path in ("/", "/usr", "/etc", "/dev", "/proc", "/proc/sys/kernel", os.path.dirname(os.__file__)) if not refused(path)],
    "tmp": refused("/tmp"),
    "shm": refused("/dev/shm"),
}))
"""
    )
    seen = json.loads(result.log)
    assert {"home", "work", "sys", "boot", "mnt", "opt", "srv", "var"}.isdisjoint(seen["root"])
    assert {"shadow", "ssh", "resolv.conf", "machine-id"}.isdisjoint(seen["etc"])
    assert seen["writable"] == []
    assert seen["tmp"] is None
    assert seen["shm"] is None


def test_nothing_of_the_service_is_seen(run_python: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIO_DATABASE_URL", "postgresql://secret")
    result = run_python(
        """
import glob, os
print(dict(os.environ))
for pattern in ("environ", "cmdline"):
    for path in glob.glob(f"/proc/[0-9]*/{pattern}"):
        print(open(path, "rb").read())
print("PIDS", sorted(int(name) for name in os.listdir("/proc") if name.isdigit()))
print("FDS", sorted(map(int, os.listdir("/proc/self/fd")))[:-1])
"""
    )
    text = result.log.decode()
    assert "secret" not in text
    assert str(ROOT) not in text
    assert "PIDS [1, 2]" in text
    assert "FDS [0, 1, 2]" in text


def test_no_privilege_is_left_and_none_can_be_had(run_python: Run) -> None:
    result = run_python(
        """
import ctypes, os
print("uid", os.getuid(), os.getgid(), os.getgroups())
for line in open("/proc/self/status"):
    if line.startswith(("Cap", "NoNewPrivs")):
        print(line.strip())
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER = 0x10000000
print("unshare", libc.unshare(CLONE_NEWUSER))
print("mount", libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
print("core", open("/proc/sys/kernel/core_pattern", "r").read() and "")
try:
    open("/proc/sys/kernel/core_pattern", "w").write("|/tmp/evil")
except OSError as error:
    print("core_pattern", error.strerror)
"""
    )
    text = result.log.decode()
    assert "uid 1000 1000" in text
    assert len(re.findall(r"Cap\w+:\s+0000000000000000", text)) == 5
    assert re.search(r"NoNewPrivs:\s+1", text)
    assert "unshare -1" in text
    assert "mount -1" in text
    assert "core_pattern" in text


def test_there_is_no_network_and_no_socket_of_the_host(run_python: Run) -> None:
    result = run_python(
        """
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", 5432)), (socket.AF_INET, ("1.1.1.1", 53)), (socket.AF_UNIX, "\\0/tmp/.X11-unix/X0")):
    try:
        socket.socket(family, socket.SOCK_STREAM).connect(address)
        print("CONNECTED", address)
    except OSError as error:
        print("refused", error)
print("UNIX", len(open("/proc/net/unix").read().splitlines()) - 1)
print("DEVICES", [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]])
"""
    )
    text = result.log.decode()
    assert "CONNECTED" not in text
    assert "UNIX 0" in text
    assert "DEVICES ['lo']" in text


@pytest.mark.skipif(platform.machine() not in {"x86_64", "aarch64"}, reason="no filter for this architecture")
def test_calls_that_others_have_broken_out_with_are_refused(run_python: Run) -> None:
    machine = seccomp._MACHINES[platform.machine()]
    calls = {**machine.refused, **seccomp._REFUSED_EVERYWHERE, "clone3": seccomp._CLONE3}
    result = run_python(
        f"""
import ctypes, errno, socket
libc = ctypes.CDLL(None, use_errno=True)
calls = {calls!r}
for name, number in calls.items():
    ctypes.set_errno(0)
    if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        print("ALLOWED", name, ctypes.get_errno())
print("namespace", libc.syscall({machine.clone}, 0x10000000, 0, 0, 0, 0), ctypes.get_errno() == errno.EPERM)
print("tiocsti", libc.ioctl(0, 0x5412, b"x"), ctypes.get_errno() == errno.EPERM)
for family, kind in ((16, 3), (17, 3), (38, 5), (40, 1), (2, 3), (10, 3), (2, 10), (2, 5), (2, 6), (30, 5)):
    try:
        socket.socket(family, kind)
        print("ALLOWED socket", family, kind)
    except OSError as error:
        pass
try:
    socket.socketpair(30, 5)
    print("ALLOWED pair")
except OSError as error:
    assert error.errno == errno.EAFNOSUPPORT
print("done")
"""
    )
    assert result.log.decode() == "namespace -1 True\ntiocsti -1 True\ndone\n"


def test_what_honest_programs_do_still_works(run_python: Run) -> None:
    result = run_python(
        """
import multiprocessing, multiprocessing.shared_memory, os, socket, subprocess, tempfile, threading
thread = threading.Thread(target=print, args=("thread",), kwargs={"flush": True}); thread.start(); thread.join()
print(subprocess.run(["/bin/sh", "-c", "echo child; getent passwd $(id -u)"], capture_output=True, text=True).stdout, flush=True)
memory = multiprocessing.shared_memory.SharedMemory(create=True, size=1000); memory.close(); memory.unlink()
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1, 2]), flush=True)
left, right = socket.socketpair(); left.send(b"x"); print(right.recv(1))
server = socket.create_server(("127.0.0.1", 0)); socket.create_connection(server.getsockname()).close()
tempfile.NamedTemporaryFile().write(b"x")
print(os.cpu_count() > 0, os.path.expanduser("~"))
"""
    )
    assert result.log.decode() == "thread\nchild\nsandbox:x:1000:1000:sandbox:/tmp:/bin/sh\n\n[1, 2]\nb'x'\nTrue /tmp\n"


def test_what_ignores_signals_and_what_became_a_daemon_dies_with_it(run_python: Run) -> None:
    marker = f"palio-marker-{os.getpid()}"
    code = f"""
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/bin/sh", ["sh", "-c", "trap '' TERM; while :; do sleep 1; done # {marker}"])
    os._exit(0)
time.sleep(1000)
"""
    assert run_python(code, wall_time_s=1).ended_by is EndedBy.TIME_LIMIT
    assert processes_with(marker) == []


def test_a_daemon_left_behind_by_a_program_that_exits_dies_too(run_python: Run) -> None:
    marker = f"palio-left-{os.getpid()}"
    result = run_python(
        f"import os\nif os.fork() == 0:\n    os.setsid(); os.execv('/bin/sh', ['sh', '-c', 'sleep 1000; : {marker}'])"
    )
    assert result.exit_code == 0
    assert processes_with(marker) == []


def test_results_come_after_the_byte_that_says_ready(run_python: Run, tmp_path: Path) -> None:
    code = "import os; fd = int(os.environ['PALIO_RESULTS_FD']); os.write(fd, b'R'); os.write(fd, bytes(1 << 20)); os.write(fd, b'end')"
    run_python(code, results=tmp_path / "results")
    assert (tmp_path / "results").read_bytes() == bytes(1 << 20) + b"end"


def test_a_writable_mount_can_be_written_and_is_limited(run_python: Run, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o700)
    (shared / "given").write_text("1")
    mount = Mount(shared, "/shared", writable=True)
    run_python("open('/shared/given', 'a').write('2'); open('/shared/made', 'w').write('3')", mounts=(mount,))
    assert (shared / "given").read_text() == "12"
    assert (shared / "made").read_text() == "3"
    code = "import os\nfor i in range(10**6):\n    open(f'/shared/{i}', 'wb').write(bytes(1 << 20)); os.sync()"
    assert run_python(code, mounts=(mount,), output_bytes=8 << 20).ended_by is EndedBy.OUTPUT_LIMIT


def test_a_read_only_mount_cannot_be_written(run_python: Run, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given").chmod(0o777)
    result = run_python("open('/given/x', 'w')", mounts=(Mount(tmp_path / "given", "/given"),))
    assert b"Read-only file system" in result.log


def test_a_program_that_ends_before_it_is_ready_is_noticed_at_once(
    sandbox: Bubblewrap, interpreter: Interpreter, tmp_path: Path
) -> None:
    running = sandbox.start(python_spec(interpreter, "1 / 0", results=tmp_path / "results", waits_for_line=True))
    assert not running.wait_until_ready(60)
    running.send_line(b"job")
    assert b"ZeroDivisionError" in running.wait().log


def test_a_sandbox_can_be_killed_from_another_thread(sandbox: Bubblewrap, interpreter: Interpreter) -> None:
    running = sandbox.start(python_spec(interpreter, "import time; time.sleep(1000)"))
    threading.Timer(0.2, running.kill).start()
    assert running.wait().ended_by is EndedBy.KILLED
    running.kill()
    assert running.wait().ended_by is EndedBy.KILLED


def test_it_outlives_the_thread_that_started_it(sandbox: Bubblewrap, interpreter: Interpreter) -> None:
    started = []
    spec = python_spec(interpreter, "input(); print('alive')", waits_for_line=True)
    starter = threading.Thread(target=lambda: started.append(sandbox.start(spec)))
    starter.start()
    starter.join()
    started[0].send_line(b"go on")
    assert started[0].wait().log == b"alive\n"


def test_many_run_side_by_side(sandbox: Bubblewrap, interpreter: Interpreter) -> None:
    running = [sandbox.start(python_spec(interpreter, f"print({number})")) for number in range(12)]
    assert [each.wait().log for each in running] == [b"%d\n" % number for number in range(12)]


def service_with_a_sandbox(sandbox: Bubblewrap, interpreter: Interpreter, marker: str) -> "subprocess.Popen[str]":
    """A process that starts a sandbox and waits for its end, which is far away."""
    cgroups = "open_cgroups()" if sandbox.cgroups else "None"
    program = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from tests.integration.execution.programs import python_spec
from shared.execution.environments.interpreters import find_interpreter
from shared.execution.sandbox import Bubblewrap, open_cgroups
spec = python_spec(find_interpreter({interpreter.version!r}), "import time; time.sleep(1000)  # {marker}")
running = Bubblewrap(cgroups={cgroups}).start(spec)
running.wait()
"""
    return subprocess.Popen([sys.executable, "-c", program], text=True)


def test_it_dies_with_the_service_that_started_it(sandbox: Bubblewrap, interpreter: Interpreter) -> None:
    marker = f"palio-orphan-{os.getpid()}"
    with service_with_a_sandbox(sandbox, interpreter, marker) as service:
        # Not bubblewrap, which has the program's words in its own command line.
        wait_until(lambda: processes_with(marker, f"{interpreter.executable}\0-S"), "the program inside to run")
        service.kill()
    wait_until(lambda: not processes_with(marker), "the sandbox to die")
    if sandbox.cgroups:
        # The next service to start removes its group.
        open_cgroups()


def has_started_something(bubblewrap: int) -> bool:
    try:
        return bool(Path(f"/proc/{bubblewrap}/task/{bubblewrap}/children").read_text())
    except OSError:
        return False


def test_a_service_that_is_killed_while_it_starts_one_leaves_no_program(sandbox: Bubblewrap, interpreter: Interpreter) -> None:
    marker = f"palio-half-started-{os.getpid()}"
    for number in range(10):
        with service_with_a_sandbox(sandbox, interpreter, f"{marker}-{number}") as service:
            # Without a pause: the first moments are what matters.
            while service.poll() is None and not processes_with(f"{marker}-{number}", "bwrap"):
                continue
            service.kill()
    # bubblewrap itself may be left, waiting for a word of its dead parent before it starts anything.
    wait_until(
        lambda: (
            set(processes_with(marker)) == set(processes_with(marker, "bwrap"))
            and not any(map(has_started_something, processes_with(marker)))
        ),
        "the programs to die",
    )
    for pid in processes_with(marker):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if sandbox.cgroups:
        open_cgroups()


def test_what_cannot_be_mounted_is_an_error_of_the_machine(sandbox: Bubblewrap, interpreter: Interpreter, tmp_path: Path) -> None:
    spec = python_spec(interpreter, "1", mounts=(Mount(tmp_path / "missing", "/missing"),))
    with pytest.raises(SandboxError, match="missing"):
        sandbox.start(spec).wait()


def test_nothing_is_left_open_by_a_hundred_sandboxes(sandbox: Bubblewrap) -> None:
    spec = SandboxSpec(("/usr/bin/true",), (), LIMITS)
    sandbox.start(spec).wait()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        sandbox.start(spec).wait()
    # Threads close their descriptors a moment after the result is there.
    wait_until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before, "descriptors to be closed")
    assert threading.active_count() < 20
