"""Starting bubblewrap: the pipes between it and us, its control group, and the first process inside.

Owns everything up to the moment when the program may run. What it does then is followed in `supervision`.
"""

import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from shared.execution.sandbox.cgroups import CgroupError, Group
from shared.execution.sandbox.port import SandboxError, SandboxSpec

READ_BYTES = 1 << 20
#: Beyond this, bubblewrap itself hangs (a mount of a dead network file system).
_START_LIMIT_S = 30.0
_PAUSE_S = 0.001
#: The kernel takes a dead sandbox down in milliseconds; a process in an uninterruptible state may take longer.
END_LIMIT_S = 30.0


@dataclass(frozen=True)
class CommandLine:
    """What to start: the program, what it is told (its own name first), and descriptors made for it, which it inherits."""

    executable: str
    arguments: list[str]
    descriptors: list[int]


@dataclass(frozen=True)
class Inherited:
    """Descriptors of bubblewrap: takes its words, takes the program's results, and holds the program back until it is closed."""

    info_fd: int
    results_fd: int | None
    block_fd: int | None

    @property
    def all(self) -> list[int]:
        """Those that there are."""
        return [fd for fd in (self.info_fd, self.results_fd, self.block_fd) if fd is not None]


Command = Callable[[SandboxSpec, Inherited], CommandLine]


@dataclass
class Process:
    """The outermost bubblewrap, the first process inside, and our ends of their pipes."""

    popen: "subprocess.Popen[bytes]"
    pidfd: int
    log_fd: int
    results_fd: int | None
    init_pid: int = 0
    #: None for a program that was over before anybody could look.
    init_pidfd: int | None = None


def launch(spec: SandboxSpec, command: Command, group: Group | None, stack: ExitStack) -> Process:
    """Start bubblewrap, with everything of it in the group. The stack closes what was opened, and kills what is left.

    Raises `SandboxError` with bubblewrap's own words if it gives no sandbox.
    """
    log_read, log_write = _pipe(stack)
    info_read, info_write = _pipe(stack)
    results_read, results_write = _pipe(stack) if spec.results else (None, None)
    gate_read, gate = _gate(stack) if group else (None, None)
    inherited = Inherited(info_write, results_write, gate_read)
    popen = _popen(command(spec, inherited), inherited, log_write)
    stack.callback(_abandon, popen)
    process = Process(popen, os.pidfd_open(popen.pid), log_read, results_read)
    stack.callback(os.close, process.pidfd)
    _find_init(process, info_read, stack)
    if group and gate:
        # While bubblewrap waits at the gate there are these two processes, and all that follow will be their children.
        try:
            group.enter(popen.pid, process.init_pid)
        except CgroupError as error:
            raise SandboxError(f"the control group takes no sandbox: {error}") from error
        gate.close()
    return process


def await_bound(process: Process) -> None:
    """Wait until the first process inside will die with bubblewrap, and so with us: until then a service that is killed leaves it
    behind. bubblewrap asks for that right after it has started the program, and then waits for its end.

    So before this, a program must not be told to begin. One that was never told finds its input at an end.
    """
    deadline = time.monotonic() + _START_LIMIT_S
    with suppress(OSError):
        while process.popen.poll() is None:
            state = Path(f"/proc/{process.init_pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            if state == "Z" or (state == "S" and _children(process.init_pid)):
                return
            if time.monotonic() > deadline:
                raise SandboxError("bubblewrap does not come to start the program: the host hangs")
            time.sleep(_PAUSE_S)


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def _popen(command: CommandLine, inherited: Inherited, log_fd: int) -> "subprocess.Popen[bytes]":
    descriptors = [*inherited.all, *command.descriptors]
    try:
        # The environment is empty because bubblewrap's own can be read inside, at /proc/1/environ.
        return subprocess.Popen(
            command.arguments,
            executable=command.executable,
            stdin=subprocess.PIPE,
            stdout=log_fd,
            stderr=log_fd,
            env={},
            cwd="/",
            bufsize=0,
            pass_fds=descriptors,
        )
    except OSError as error:
        raise SandboxError(f"bubblewrap does not start: {error}") from error
    finally:
        for descriptor in {*descriptors, log_fd}:
            os.close(descriptor)


def _find_init(process: Process, info_fd: int, stack: ExitStack) -> None:
    """Learn from bubblewrap which process is the first inside: with it everything inside is killed."""
    words = b""
    deadline = time.monotonic() + _START_LIMIT_S
    with selectors.DefaultSelector() as selector:
        selector.register(info_fd, selectors.EVENT_READ)
        while not words.rstrip().endswith(b"}"):
            chunk = os.read(info_fd, 4096) if selector.select(max(0, deadline - time.monotonic())) else b""
            if not chunk:
                process.popen.kill()
                said = _read_all(process.log_fd).decode(errors="replace").strip()
                raise SandboxError(f"bubblewrap gives no sandbox: {said}")
            words += chunk
    process.init_pid = json.loads(words)["child-pid"]
    # A program that is over already leaves nothing to kill.
    with suppress(ProcessLookupError):
        process.init_pidfd = os.pidfd_open(process.init_pid)
        stack.callback(os.close, process.init_pidfd)


def _gate(stack: ExitStack) -> tuple[int, BinaryIO]:
    """A descriptor that bubblewrap reads before it starts the program, and the file to close when it may."""
    read, write = os.pipe()
    return read, stack.enter_context(os.fdopen(write, "wb", buffering=0))


def _pipe(stack: ExitStack) -> tuple[int, int]:
    """A pipe whose read end is closed with the stack; the write end is the caller's."""
    read, write = os.pipe()
    stack.callback(os.close, read)
    return read, write


def _read_all(descriptor: int) -> bytes:
    """Everything until the last writer is gone."""
    content = b""
    while chunk := os.read(descriptor, READ_BYTES):
        content += chunk
    return content


def _abandon(popen: "subprocess.Popen[bytes]") -> None:
    if popen.stdin:
        popen.stdin.close()
    if popen.returncode is None:
        popen.kill()
        popen.wait(END_LIMIT_S)
