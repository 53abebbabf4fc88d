"""Python programs to run in sandboxes."""

from dataclasses import replace
from pathlib import Path

from shared.execution.environments.interpreters import Interpreter
from shared.execution.sandbox import Limits, Mount, SandboxSpec

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
