"""The limits of any sandbox, each with something that goes beyond it."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.execution.environments.interpreters import Interpreter
from shared.execution.sandbox import Bubblewrap, EndedBy, Mount
from tests.integration.execution.programs import KINDS, Run, processes_with, python_spec
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("sandbox", KINDS, indirect=True)

#: Burns CPU time, of the process that calls it.
BURN = """
import os
def burn(seconds):
    import time
    end = time.process_time() + seconds
    while time.process_time() < end: pass
"""


def test_a_loop_is_ended_at_its_time(run_python: Run) -> None:
    result = run_python("while True: pass", wall_time_s=1)
    assert result.ended_by is EndedBy.TIME_LIMIT
    assert 1 <= result.usage.wall_time_s < 10
    assert result.usage.cpu_time_s > 0


@pytest.mark.parametrize(
    "code",
    [
        "x = [bytearray(1 << 20) for _ in range(10_000)]",
        "import mmap\nx = [mmap.mmap(-1, 8 << 20) for _ in range(500)]\nfor m in x: m.write(b'x' * (8 << 20))",
        "import os\nfor i in range(8):\n    if os.fork() == 0:\n        x = bytearray(60 << 20); import time; time.sleep(60)\nos.wait()",
        "x = bytearray(150 << 20)\nopen('/tmp/x', 'wb').write(bytes(100 << 20))\nopen('/dev/shm/x', 'wb').write(bytes(100 << 20))\nimport time; time.sleep(60)",
    ],
    ids=["heap", "shared mappings", "many processes", "files in memory"],
)
def test_memory_is_limited_however_it_is_taken(run_python: Run, code: str) -> None:
    result = run_python(code, memory_bytes=300 << 20)
    assert result.ended_by is EndedBy.MEMORY_LIMIT
    assert result.usage.peak_memory_bytes > 300 << 20


def test_an_absurd_allocation_is_refused_at_once(run_python: Run) -> None:
    result = run_python("try:\n    bytearray(1 << 45)\nexcept MemoryError:\n    print('refused')")
    assert result.log == b"refused\n"


def test_a_fork_bomb_stays_inside(run_python: Run) -> None:
    marker = f"palio-bomb-{os.getpid()}"
    result = run_python(
        f"import os  # {marker}\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        processes=30,
        wall_time_s=3,
    )
    assert result.ended_by in {EndedBy.TIME_LIMIT, EndedBy.PROCESS_LIMIT}
    assert processes_with(marker) == []


def test_a_file_may_not_grow_beyond_its_limit(run_python: Run) -> None:
    result = run_python(
        "try:\n    open('/tmp/x', 'wb').write(bytes(3 << 20))\nexcept OSError as error:\n    print(error.strerror)",
        file_bytes=1 << 20,
    )
    assert result.log == b"File too large\n"


def test_a_flood_of_prints_ends_it_in_bounded_memory(run_python: Run) -> None:
    result = run_python("while True: print('x' * 1_000_000)", log_bytes=10_000)
    assert result.ended_by is EndedBy.OUTPUT_LIMIT
    assert len(result.log) < 11_000


def test_a_long_log_is_cut_in_the_middle_and_the_program_goes_on(run_python: Run) -> None:
    result = run_python("print('begin'); print('x' * 100_000); print('end')", log_bytes=10_000)
    assert (result.ended_by, result.exit_code) == (EndedBy.EXIT, 0)
    assert result.log.startswith(b"begin\n")
    assert result.log.endswith(b"end\n")
    assert b"90011 bytes of output were left out here" in result.log


def test_a_log_may_hold_any_bytes(run_python: Run) -> None:
    result = run_python("import os; os.write(1, b'\\xff\\x00\\xfe'); os.write(2, b'\\x1b[31m')")
    assert result.log == b"\xff\x00\xfe\x1b[31m"


def test_too_many_results_end_it(run_python: Run, tmp_path: Path) -> None:
    code = "import os\nfd = int(os.environ['PALIO_RESULTS_FD'])\nwhile True: os.write(fd, bytes(1 << 16))"
    result = run_python(code, results=tmp_path / "results", output_bytes=1 << 20)
    assert result.ended_by is EndedBy.OUTPUT_LIMIT
    assert (tmp_path / "results").stat().st_size <= 1 << 20


def test_a_program_that_waits_is_not_timed(sandbox: Bubblewrap, interpreter: Interpreter, tmp_path: Path) -> None:
    code = "import os; fd = int(os.environ['PALIO_RESULTS_FD']); os.write(fd, b'R'); line = input(); os.write(fd, line.encode())"
    spec = python_spec(interpreter, code, results=tmp_path / "results", waits_for_line=True, wall_time_s=0.5)
    running = sandbox.start(spec)
    assert running.wait_until_ready(30)
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 1, "more than its wall time to pass")
    assert not running.is_over
    running.send_line(b"job")
    assert running.wait().exit_code == 0
    assert (tmp_path / "results").read_bytes() == b"job"


def test_after_its_line_a_program_is_timed(sandbox: Bubblewrap, interpreter: Interpreter) -> None:
    running = sandbox.start(python_spec(interpreter, "input()\nwhile True: pass", waits_for_line=True, wall_time_s=0.5))
    running.send_line(b"job")
    assert running.wait().ended_by is EndedBy.TIME_LIMIT


def test_all_processes_together_have_their_cpu_time(run_python: Run) -> None:
    result = run_python(BURN + "for _ in range(3): os.fork()\nburn(1000)", cpu_time_s=1, wall_time_s=60)
    assert result.ended_by is EndedBy.CPU_TIME_LIMIT
    assert result.usage.cpu_time_s > 1


def test_the_cpu_time_of_processes_that_ended_counts(run_python: Run) -> None:
    code = BURN + "while True:\n    if os.fork() == 0:\n        burn(0.2); os._exit(0)\n    os.wait()"
    assert run_python(code, cpu_time_s=1, wall_time_s=60).ended_by is EndedBy.CPU_TIME_LIMIT


def test_the_cpu_time_of_processes_whose_parent_is_gone_counts(run_python: Run) -> None:
    code = (
        BURN
        + """
while True:
    if os.fork() == 0:
        if os.fork() == 0:
            burn(0.2)
        os._exit(0)
    os.wait()
    burn(0.05)
"""
    )
    assert run_python(code, cpu_time_s=1, wall_time_s=60).ended_by is EndedBy.CPU_TIME_LIMIT


def test_the_cpu_time_before_its_line_is_not_counted(sandbox: Bubblewrap, interpreter: Interpreter, tmp_path: Path) -> None:
    code = (
        BURN + "burn(1); fd = int(os.environ['PALIO_RESULTS_FD']); os.write(fd, b'R'); input(); burn(0.2); os.write(fd, b'done')"
    )
    spec = python_spec(interpreter, code, results=tmp_path / "results", waits_for_line=True, cpu_time_s=0.6)
    running = sandbox.start(spec)
    assert running.wait_until_ready(60)
    running.send_line(b"job")
    result = running.wait()
    assert (result.ended_by, result.exit_code) == (EndedBy.EXIT, 0)
    assert 0.15 < result.usage.cpu_time_s < 0.6


def test_the_kernel_bounds_the_cpu_time_of_each_process_too(run_python: Run) -> None:
    result = run_python("import resource; print(resource.getrlimit(resource.RLIMIT_CPU))", cpu_time_s=7.5)
    assert result.log == b"(9, 9)\n"


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """A folder on a disk, wherever temporary files are kept: those of a file system in memory are memory when they are mapped."""
    with tempfile.TemporaryDirectory(prefix="palio-", dir="/var/tmp") as folder:
        yield Path(folder)


def test_files_that_are_mapped_are_not_its_memory(run_python: Run, on_disk: Path) -> None:
    with (on_disk / "data").open("wb") as data:
        data.write(os.urandom(1 << 20) * 200)
        os.fchmod(data.fileno(), 0o644)
        os.fsync(data.fileno())
        # Out of the system's cache: so that whoever reads it first is the sandbox.
        os.posix_fadvise(data.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    code = "import mmap\nwith open('/data') as data:\n    m = mmap.mmap(data.fileno(), 0, access=mmap.ACCESS_READ)\nprint(sum(m[::4096]) > 0)"
    result = run_python(code, mounts=(Mount(on_disk / "data", "/data"),), memory_bytes=48 << 20)
    assert (result.ended_by, result.log) == (EndedBy.EXIT, b"True\n")
    assert result.usage.peak_memory_bytes < 48 << 20


def test_a_million_empty_files_are_memory(run_python: Run) -> None:
    result = run_python("for i in range(10**6): open(f'/tmp/{i}', 'w').close()", memory_bytes=48 << 20)
    assert result.ended_by is EndedBy.MEMORY_LIMIT


@pytest.mark.parametrize(
    "start", ["os.fork() or time.sleep(60)", "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"]
)
def test_processes_and_threads_are_counted(run_python: Run, start: str) -> None:
    code = f"""
import os, threading, time
for number in range(1000):
    try:
        {start}
    except (OSError, RuntimeError):
        break
print(number, flush=True)
os._exit(0)
"""
    result = run_python(code, processes=20)
    assert 10 <= int(result.log) <= 20


def test_a_process_has_so_many_open_files(run_python: Run) -> None:
    code = "import os\nwhile True:\n    try:\n        last = os.dup(0)\n    except OSError as error:\n        print(last, error.strerror); break"
    assert run_python(code, open_files=50).log == b"49 Too many open files\n"
