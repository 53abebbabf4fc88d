"""Python programs to run in sandboxes, and what is left of them on the host."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from shared.execution.environments.interpreters import Interpreter
from shared.execution.sandbox import Limits, Mount, SandboxResult, SandboxSpec

Run = Callable[..., SandboxResult]
#: Of a sandbox: with memory and CPU time looked up in `/proc`, or counted by the kernel.
KINDS = ("watched", "cgroup")

ROOT = Path(__file__).resolve().parents[3]
PYTHON = "3.11"
LIMITS = Limits(
    wall_time_s=60, memory_bytes=1 << 30, file_bytes=256 << 20, output_bytes=256 << 20, log_bytes=20_000, processes=64
)


def python_spec(
    interpreter: Interpreter,
    code: str,
    *,
    mounts: tuple[Mount, ...] = (),
    results: Path | None = None,
    waits_for_line: bool = False,
    **limits: float,
) -> SandboxSpec:
    return SandboxSpec(
        argv=(str(interpreter.executable), "-S", "-c", code),
        mounts=(*interpreter.mounts, *mounts),
        limits=replace(LIMITS, **limits),
        results=results,
        waits_for_line=waits_for_line,
    )


def processes_with(marker: str, program: str = "") -> list[int]:
    """Processes of the host, whosever, whose command line holds the marker, and begins with the program."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
            if marker.encode() in words and words.startswith(program.encode()):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
