"""What any sandbox says of the time and the memory that were used, and to which part of the work they belong."""

from pathlib import Path

import pytest

from shared.execution.environments.interpreters import Interpreter
from shared.execution.sandbox import Bubblewrap
from tests.integration.execution.programs import KINDS, Run, python_spec

pytestmark = pytest.mark.parametrize("sandbox", KINDS, indirect=True)

MIB = 1 << 20
#: Burns CPU time, and opens the way out.
HEAD = """
import os, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
def say(words):
    os.write(int(os.environ["PALIO_RESULTS_FD"]), words)
"""


def test_what_was_used_is_divided_where_the_results_begin(run_python: Run, tmp_path: Path) -> None:
    code = """
say(b"R")
held = bytearray(100 << 20)
burn(0.4)
del held
say(b"trained")
held = bytearray(30 << 20)
burn(0.1)
say(b"predictions")
"""
    result = run_python(HEAD + code, results=tmp_path / "results")
    training, prediction = result.parts
    assert training.cpu_time_s > prediction.cpu_time_s > 0
    assert training.wall_time_s > 0.4
    assert prediction.wall_time_s > 0.1
    assert 100 * MIB < training.peak_memory_bytes < 150 * MIB
    assert 30 * MIB < prediction.peak_memory_bytes < 80 * MIB
    assert result.usage.cpu_time_s == training.cpu_time_s + prediction.cpu_time_s
    assert result.usage.wall_time_s == training.wall_time_s + prediction.wall_time_s
    assert result.usage.peak_memory_bytes == training.peak_memory_bytes


def test_without_results_there_is_one_part(run_python: Run, tmp_path: Path) -> None:
    [whole] = run_python(HEAD + "say(b'R'); burn(0.2)", results=tmp_path / "results").parts
    assert whole.wall_time_s > 0.2
    assert whole.cpu_time_s > 0.1


def test_what_was_used_before_the_begin_is_in_no_part(sandbox: Bubblewrap, interpreter: Interpreter, tmp_path: Path) -> None:
    code = "held = bytearray(100 << 20); burn(1); del held; say(b'R'); input(); burn(0.2)"
    spec = python_spec(interpreter, HEAD + code, results=tmp_path / "results", waits_for_line=True)
    running = sandbox.start(spec)
    assert running.wait_until_ready(60)
    running.send_line(b"job")
    [whole] = running.wait().parts
    assert whole.cpu_time_s < 1
    assert whole.peak_memory_bytes < 100 * MIB


def test_one_that_never_began_used_no_time(sandbox: Bubblewrap, interpreter: Interpreter) -> None:
    running = sandbox.start(python_spec(interpreter, "input()", waits_for_line=True))
    running.kill()
    [whole] = running.wait().parts
    assert whole.wall_time_s == 0


def test_pages_that_processes_share_count_once_if_the_kernel_counts(sandbox: Bubblewrap, run_python: Run) -> None:
    code = "import os, time\nheld = bytearray(60 << 20)\nfor _ in range(4): os.fork() or time.sleep(1000)\ntime.sleep(0.5); os._exit(0)"
    result = run_python(code)
    expected = (60 * MIB, 120 * MIB) if sandbox.cgroups else (300 * MIB, 400 * MIB)
    assert expected[0] < result.usage.peak_memory_bytes < expected[1]
