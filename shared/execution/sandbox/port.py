"""The port: what a sandbox is given, what it promises, and what it says afterwards.

A program in a sandbox sees its mounts and a minimal system, all read-only but writable mounts and a small `/tmp`. It has no
network unless asked for, no credentials, no environment variables but the given ones, and no way to outlive the sandbox.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

#: Name of the variable with the number of the descriptor that takes results. The first byte written to it says that the
#: program is ready; all after it is the results. Where the results begin, the measured usage is divided.
RESULTS_FD_VARIABLE = "PALIO_RESULTS_FD"
#: How much more than the kept log a program may print before it is ended.
LOG_FLOOD_FACTOR = 64
#: What the kernel may take for a sandbox beside its memory.
_KERNEL_SHARE, _KERNEL_BYTES = 32, 16 << 20


class SandboxError(Exception):
    """The machine could not give a sandbox: never the fault of what was to run in it. Says what to do where it knows."""


class EndedBy(StrEnum):
    """Why a sandbox is over."""

    EXIT = "exit"
    TIME_LIMIT = "time_limit"
    CPU_TIME_LIMIT = "cpu_time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    PROCESS_LIMIT = "process_limit"
    KILLED = "killed"


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host, seen inside at the absolute path `target`; read-only unless `writable`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Limits:
    """What a sandbox may use.

    `wall_time_s` and `cpu_time_s` count from the begin (see `SandboxSpec`); CPU time is that of all processes together, also of
    those that ended. `memory_bytes` counts all processes together with `/tmp` and shared memory, not the files that they map.
    Both are watched, so a little more may be had for some milliseconds; a control group, where there is one, stops the growth
    of memory at once, a thirty-second and 16 MiB above. As much may the kernel take for it (page tables, buffers of sockets). `output_bytes` is for the results, and for all writable mounts together;
    `file_bytes` for one file; `processes` counts threads too; `open_files` is for each process. Of what is printed `log_bytes`
    are kept; `LOG_FLOOD_FACTOR` times that ends the sandbox.
    """

    wall_time_s: float
    memory_bytes: int
    file_bytes: int
    output_bytes: int
    log_bytes: int
    processes: int
    cpu_time_s: float = math.inf
    open_files: int = 1024

    @property
    def hard_memory_bytes(self) -> int:
        """The limit of memory with all that the kernel itself takes: page tables, stacks, inodes, buffers."""
        return self.memory_bytes + self.memory_bytes // _KERNEL_SHARE + _KERNEL_BYTES

    @property
    def files_in_memory_bytes(self) -> int:
        """The size of `/tmp`, and of `/dev/shm`: half of the memory each, since what is in them counts as memory."""
        return max(self.memory_bytes // 2, 1 << 20)


@dataclass(frozen=True)
class SandboxSpec:
    """What to run, and in what. `argv[0]` is an absolute path inside.

    With `results`, the program gets a descriptor for results, and what it writes there is in that file of the host once the
    sandbox is over. So strangers need no place on the host's disk: a writable mount is for organisers only, since files that
    are deleted while open escape its limit.
    With `waits_for_line` the wall time is counted from the first `send_line` on, and a program that waits costs no limit.
    """

    argv: tuple[str, ...]
    mounts: tuple[Mount, ...]
    limits: Limits
    environment: Mapping[str, str] = field(default_factory=dict)
    work_folder: str = "/tmp"  # noqa: S108 - inside it is private to the sandbox
    results: Path | None = None
    network: bool = False
    waits_for_line: bool = False


@dataclass(frozen=True)
class Usage:
    """What all processes of a sandbox took together, measured from outside: seconds, and the most bytes held at once."""

    wall_time_s: float
    cpu_time_s: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class SandboxResult:
    """How it ended. Exactly one of `exit_code` and `signal` is set.

    `log` is what was printed (stdout and stderr in order), cut in the middle where it was too long, and may hold any bytes.
    `parts` is what was used from the begin on, divided where the results began: two parts, or one if there were none.
    """

    ended_by: EndedBy
    exit_code: int | None
    signal: int | None
    log: bytes
    parts: tuple[Usage, ...]

    @property
    def usage(self) -> Usage:
        """All parts together."""
        return Usage(
            wall_time_s=sum(part.wall_time_s for part in self.parts),
            cpu_time_s=sum(part.cpu_time_s for part in self.parts),
            peak_memory_bytes=max(part.peak_memory_bytes for part in self.parts),
        )


class RunningSandbox(Protocol):
    """A started sandbox. Every method may be called from any thread."""

    def send_line(self, line: bytes) -> None:
        """Write a line to the program's standard input. Nothing happens if the program is gone."""

    def listen(self, heard: Callable[[bytes], None]) -> None:
        """From now on, call this with whatever is printed, in a thread that must not be held up."""

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait for the first byte on the descriptor for results; False if the program ended without it or time ran out."""

    def wait(self) -> SandboxResult:
        """Wait for the end: after it, no process of the sandbox is left. A second call gives the same result."""

    @property
    def is_over(self) -> bool:
        """Whether `wait` would return at once."""

    def kill(self) -> None:
        """End it now. `wait` then says `killed`, unless it was over already."""


class Sandbox(Protocol):
    """Something that can start sandboxes, from any thread."""

    def start(self, spec: SandboxSpec) -> RunningSandbox:
        """Start a program. Raises `SandboxError` if the machine cannot."""
