"""A started sandbox: its log, its results, its limits and its end, in one thread of its own.

Why a thread each, which also starts the process: the kernel's "die with parent" means the *thread* that forked, so a
sandbox started by a thread of somebody's pool would be killed when that pool shrinks.
"""

import json
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import BinaryIO

from shared.execution.sandbox.log import BoundedLog
from shared.execution.sandbox.port import LOG_FLOOD_FACTOR, EndedBy, SandboxError, SandboxResult, SandboxSpec
from shared.execution.sandbox.usage import folder_exceeds, tree_usage

_READ_BYTES = 1 << 20
_SIGNALLED = 128
#: bubblewrap's own, inside: up to three.
_OWN_PROCESSES = 3
_SHORTEST_LOOK_S = 0.01
_LONGEST_LOOK_S = 0.1
_IDLE_LOOK_S = 1.0
_FOLDER_LOOK_SHARE = 20
#: How fast memory can be filled by a program that does nothing else: decides when to look next.
_FILL_BYTES_PER_S = 4 << 30
#: Beyond this, bubblewrap itself hangs (a mount of a dead network file system).
_START_LIMIT_S = 30.0
#: The kernel takes a dead sandbox down in milliseconds; a process in an uninterruptible state may take longer.
_END_LIMIT_S = 30.0


@dataclass(frozen=True)
class CommandLine:
    """What to start: the program, what it is told (its own name first), and descriptors made for it, which it inherits."""

    executable: str
    arguments: list[str]
    descriptors: list[int]


#: The command line for a specification, and for the descriptors that take bubblewrap's words and the program's results.
Command = Callable[[SandboxSpec, int, int | None], CommandLine]


@dataclass
class _Process:
    """The outermost bubblewrap, the first process inside, and our ends of their pipes."""

    popen: "subprocess.Popen[bytes]"
    pidfd: int
    log_fd: int
    results_fd: int | None
    init_pid: int = 0
    init_pidfd: int | None = None


class Supervisor:
    """One sandbox, from start to end. The public methods may be called from any thread."""

    def __init__(self, spec: SandboxSpec, command: Command) -> None:
        self._spec = spec
        self._command = command
        self._log = BoundedLog(spec.limits.log_bytes)
        self._results_file: BinaryIO | None = None
        self._results_bytes = 0
        self._is_ready = False
        self._peak_bytes = 0
        self._next_folder_look = 0.0
        self._cpu_time_s = 0.0
        self._error: Exception | None = None
        self._result: SandboxResult | None = None
        self._started, self._ready_or_over, self._over = threading.Event(), threading.Event(), threading.Event()
        #: Guards what both the callers and the thread change: the cause of the end, the begin, and the two descriptors.
        self._lock = threading.Lock()
        self._ended_by: EndedBy | None = None
        self._begun_at: float | None = None
        self._stdin: BinaryIO | None = None
        self._wake_fd: int | None = None

    def started(self) -> "Supervisor":
        """Start, and return once the process is there. Raises `SandboxError`."""
        threading.Thread(target=self._run, name="sandbox", daemon=True).start()
        self._started.wait()
        if self._error:
            raise self._error
        return self

    def send_line(self, line: bytes) -> None:
        """See the port."""
        with self._lock:
            if self._begun_at is None:
                self._begun_at = time.monotonic()
            if self._stdin:
                # The program may be gone, or not read: neither may stop the caller.
                with suppress(BrokenPipeError, BlockingIOError):
                    self._stdin.write(line + b"\n")
            self._wake()

    def wait_until_ready(self, timeout_s: float) -> bool:
        """See the port."""
        self._ready_or_over.wait(timeout_s)
        return self._is_ready

    def wait(self) -> SandboxResult:
        """See the port."""
        self._over.wait()
        if self._result is None:
            raise SandboxError("the sandbox could not be followed to its end") from self._error
        return self._result

    @property
    def is_over(self) -> bool:
        """See the port."""
        return self._over.is_set()

    def kill(self) -> None:
        """See the port."""
        self._end(EndedBy.KILLED)

    def _end(self, cause: EndedBy) -> None:
        with self._lock:
            self._ended_by = self._ended_by or cause
            self._wake()

    def _wake(self) -> None:
        """Make the thread look again; the lock is held."""
        if self._wake_fd is not None:
            os.eventfd_write(self._wake_fd, 1)

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                process = self._start(stack)
                self._started.set()
                self._follow(process, stack)
                self._result = self._taken_down(process)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            self._error = error if isinstance(error, SandboxError) else SandboxError(f"the sandbox failed: {error!r}")
        finally:
            self._over.set()
            self._ready_or_over.set()
            self._started.set()

    def _start(self, stack: ExitStack) -> _Process:
        log_read, log_write = _pipe(stack)
        info_read, info_write = _pipe(stack)
        results_read, results_write = None, None
        if self._spec.results:
            self._results_file = stack.enter_context(self._spec.results.open("wb"))
            results_read, results_write = _pipe(stack)
        command = self._command(self._spec, info_write, results_write)
        inherited = [info_write, *([] if results_write is None else [results_write]), *command.descriptors]
        try:
            # The environment is empty because bubblewrap's own can be read inside, at /proc/1/environ.
            popen = subprocess.Popen(
                command.arguments,
                executable=command.executable,
                stdin=subprocess.PIPE,
                stdout=log_write,
                stderr=log_write,
                env={},
                cwd="/",
                bufsize=0,
                pass_fds=inherited,
            )
        except OSError as error:
            raise SandboxError(f"bubblewrap does not start: {error}") from error
        finally:
            for descriptor in {*inherited, log_write}:
                os.close(descriptor)
        stack.callback(_abandon, popen)
        process = _Process(popen, os.pidfd_open(popen.pid), log_read, results_read)
        stack.callback(os.close, process.pidfd)
        self._take_stdin(popen, stack)
        self._find_init(process, info_read, stack)
        return process

    def _take_stdin(self, popen: "subprocess.Popen[bytes]", stack: ExitStack) -> None:
        wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        stack.callback(os.close, wake_fd)
        with self._lock:
            self._stdin, self._wake_fd = popen.stdin, wake_fd  # type: ignore[assignment]  # unbuffered: a raw file
            if self._spec.waits_for_line:
                os.set_blocking(popen.stdin.fileno(), False)  # type: ignore[union-attr]  # a pipe was asked for
            else:
                self._begun_at = time.monotonic()
        # Last in, first out: nobody writes to a descriptor that is closed.
        stack.callback(self._give_up_descriptors)
        if not self._spec.waits_for_line:
            popen.stdin.close()  # type: ignore[union-attr]  # a pipe was asked for

    def _give_up_descriptors(self) -> None:
        with self._lock:
            if self._stdin:
                with suppress(BrokenPipeError):
                    self._stdin.close()
            self._stdin, self._wake_fd = None, None

    def _find_init(self, process: _Process, info_fd: int, stack: ExitStack) -> None:
        """Learn from bubblewrap which process is the first inside: with it everything inside is killed."""
        words = b""
        deadline = time.monotonic() + _START_LIMIT_S
        with selectors.DefaultSelector() as selector:
            selector.register(info_fd, selectors.EVENT_READ)
            while not words.rstrip().endswith(b"}"):
                chunk = os.read(info_fd, 4096) if selector.select(max(0, deadline - time.monotonic())) else b""
                if not chunk:
                    process.popen.kill()
                    self._log.write(_read_all(process.log_fd))
                    raise SandboxError(f"bubblewrap gives no sandbox: {self._log.content().decode(errors='replace').strip()}")
                words += chunk
        process.init_pid = json.loads(words)["child-pid"]
        # A program that is over already leaves nothing to kill.
        with suppress(ProcessLookupError):
            process.init_pidfd = os.pidfd_open(process.init_pid)
            stack.callback(os.close, process.init_pidfd)

    def _follow(self, process: _Process, stack: ExitStack) -> None:
        """Read what it says and look at what it uses, until it is over or a limit is reached."""
        selector = stack.enter_context(selectors.DefaultSelector())
        for descriptor in (process.log_fd, process.results_fd, process.pidfd, self._wake_fd):
            if descriptor is not None:
                selector.register(descriptor, selectors.EVENT_READ)
        next_look = time.monotonic()
        while self._ended_by is None:
            ready = selector.select(max(0.0, min(next_look, self._deadline()) - time.monotonic()))
            descriptors = {key.fd for key, _ in ready}
            if process.pidfd in descriptors:
                return
            for descriptor in descriptors:
                if not self._attend(process, descriptor):
                    selector.unregister(descriptor)
            now = time.monotonic()
            if now >= self._deadline():
                self._end(EndedBy.TIME_LIMIT)
            # When it begins, and when it hands out its results: the moments to see what a short job holds.
            elif now >= next_look or descriptors - {process.log_fd}:
                next_look = now + self._look(process)

    def _attend(self, process: _Process, descriptor: int) -> bool:
        """Take what there is on a descriptor; False when nothing more will come."""
        if descriptor == self._wake_fd:
            os.eventfd_read(descriptor)
            return True
        return self._read(process, descriptor)

    def _deadline(self) -> float:
        return float("inf") if self._begun_at is None else self._begun_at + self._spec.limits.wall_time_s

    def _read(self, process: _Process, descriptor: int) -> bool:
        """Take what was written to the log or the results; False at the end of it."""
        data = os.read(descriptor, _READ_BYTES)
        limits = self._spec.limits
        if descriptor == process.log_fd:
            self._log.write(data)
            if self._log.total_bytes > limits.log_bytes * LOG_FLOOD_FACTOR:
                self._end(EndedBy.OUTPUT_LIMIT)
        elif data:
            results = data if self._is_ready else data[1:]
            self._is_ready = True
            self._ready_or_over.set()
            self._results_bytes += len(results)
            if self._results_bytes > limits.output_bytes:
                self._end(EndedBy.OUTPUT_LIMIT)
            elif self._results_file:
                self._results_file.write(results)
        return bool(data)

    def _look(self, process: _Process) -> float:
        """Compare what is used with the limits; returns the seconds until the next look."""
        limits = self._spec.limits
        usage = tree_usage(process.init_pid, limits.files_in_memory_bytes)
        self._peak_bytes = max(self._peak_bytes, usage.memory_bytes)
        self._cpu_time_s = max(self._cpu_time_s, usage.cpu_time_s)
        if usage.memory_bytes > limits.memory_bytes:
            self._end(EndedBy.MEMORY_LIMIT)
        if usage.processes > limits.processes + _OWN_PROCESSES:
            self._end(EndedBy.PROCESS_LIMIT)
        self._look_at_folders()
        if self._begun_at is None:
            return _IDLE_LOOK_S
        until_full = (limits.memory_bytes - usage.memory_bytes) / _FILL_BYTES_PER_S
        return min(max(until_full, _SHORTEST_LOOK_S), _LONGEST_LOOK_S)

    def _look_at_folders(self) -> None:
        before = time.monotonic()
        if before < self._next_folder_look:
            return
        if any(folder_exceeds(mount.source, self._spec.limits.output_bytes) for mount in self._spec.mounts if mount.writable):
            self._end(EndedBy.OUTPUT_LIMIT)
        # A folder of many files takes long to look at: a twentieth of the time is enough for it.
        after = time.monotonic()
        self._next_folder_look = after + (after - before) * _FOLDER_LOOK_SHARE

    def _taken_down(self, process: _Process) -> SandboxResult:
        """Kill what is left, and wait until nothing is: only then may anybody use what it could write to."""
        # The first process inside goes first, and with it all the others: the kernel sees to that. bubblewrap, outside, then
        # ends by itself and passes on what they used.
        for pidfd in (process.init_pidfd, process.pidfd):
            if pidfd is not None:
                if pidfd == process.init_pidfd or process.init_pidfd is None:
                    with suppress(ProcessLookupError):
                        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                _await_end(pidfd)
        ended_at = time.monotonic()
        for descriptor in (process.log_fd, process.results_fd):
            while descriptor is not None and self._read(process, descriptor):
                pass
        code = process.popen.wait(_END_LIMIT_S)
        begun_at = ended_at if self._begun_at is None else self._begun_at
        ended_by = self._ended_by or EndedBy.EXIT
        exited = code if 0 <= code < _SIGNALLED else None
        return SandboxResult(
            ended_by=ended_by,
            exit_code=exited,
            # bubblewrap says 128 + n for a program that died by signal n.
            signal=None if exited is not None else abs(code) % _SIGNALLED,
            log=self._log.content(),
            wall_time_s=ended_at - begun_at,
            # Seen from outside: when a PID namespace dies, the kernel forgets what its processes used.
            cpu_time_s=self._cpu_time_s,
            peak_memory_bytes=self._peak_bytes,
        )


def _pipe(stack: ExitStack) -> tuple[int, int]:
    """A pipe whose read end is closed with the stack; the write end is the caller's."""
    read, write = os.pipe()
    stack.callback(os.close, read)
    return read, write


def _read_all(descriptor: int) -> bytes:
    content = b""
    while chunk := os.read(descriptor, _READ_BYTES):
        content += chunk
    return content


def _await_end(pidfd: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(pidfd, selectors.EVENT_READ)
        if not selector.select(_END_LIMIT_S):
            raise SandboxError("a killed sandbox does not end: the host's kernel or disk hangs")


def _abandon(popen: "subprocess.Popen[bytes]") -> None:
    if popen.returncode is None:
        popen.kill()
        popen.wait(_END_LIMIT_S)
