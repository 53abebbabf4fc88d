"""What a stranger's program said, made fit to be shown to people."""

from shared.execution.sandbox.port import EndedBy, Limits, SandboxResult

_MIB = 1 << 20
_KEPT_CONTROLS = "\n\t"


def shown(text: str, max_chars: int) -> str:
    """The text with control characters made visible (a terminal would obey them), and cut in the middle if it is too long."""
    visible = "".join(c if c.isprintable() or c in _KEPT_CONTROLS else f"\\x{ord(c):02x}" for c in text)
    if len(visible) <= max_chars:
        return visible
    return f"{visible[: max_chars // 2]}\n[...]\n{visible[-max_chars // 2 :]}"


def time_limit(limits: Limits) -> str:
    """A sentence on the wall time."""
    return f"it took more than {limits.wall_time_s:g} seconds"


def cpu_time_limit(limits: Limits) -> str:
    """A sentence on the CPU time."""
    return f"all its processes together used more than {limits.cpu_time_s:g} seconds of CPU time"


def memory_limit(limits: Limits) -> str:
    """A sentence on the memory."""
    return f"it needed more than {limits.memory_bytes // _MIB} MiB of memory"


def output_limit(limits: Limits) -> str:
    """A sentence on what was printed and sent."""
    return f"it printed or returned far more than the {limits.log_bytes // 1024} KiB of log and {limits.output_bytes // _MIB} MiB of results"


def process_limit(limits: Limits) -> str:
    """A sentence on the processes."""
    return f"it started more than {limits.processes} processes"


def why_ended(result: SandboxResult, limits: Limits) -> str:
    """Why a sandbox was over before its results were whole."""
    said = {
        EndedBy.TIME_LIMIT: time_limit,
        EndedBy.CPU_TIME_LIMIT: cpu_time_limit,
        EndedBy.MEMORY_LIMIT: memory_limit,
        EndedBy.OUTPUT_LIMIT: output_limit,
        EndedBy.PROCESS_LIMIT: process_limit,
    }
    if result.ended_by in said:
        return said[result.ended_by](limits)
    if result.ended_by is EndedBy.KILLED:
        return "it was stopped"
    if result.signal is not None:
        return f"the process was ended by signal {result.signal} before it was done"
    return f"the process ended with exit code {result.exit_code} before it was done"
