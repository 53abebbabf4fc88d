"""A started sandbox: its log, its results, its limits and its end, in one thread of its own.

Why a thread each, which also starts the process: the kernel's "die with parent" means the *thread* that forked, so a
sandbox started by a thread of somebody's pool would be killed when that pool shrinks.
"""

import os
import selectors
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import BinaryIO

from shared.execution.sandbox.cgroups import Cgroups
from shared.execution.sandbox.launch import END_LIMIT_S, READ_BYTES, Command, Process, await_bound, launch
from shared.execution.sandbox.log import BoundedLog
from shared.execution.sandbox.metering import Meter
from shared.execution.sandbox.port import LOG_FLOOD_FACTOR, EndedBy, SandboxError, SandboxResult, SandboxSpec

_SIGNALLED = 128


class Supervisor:
    """One sandbox, from start to end. The public methods may be called from any thread."""

    def __init__(self, spec: SandboxSpec, command: Command, cgroups: Cgroups | None) -> None:
        self._spec = spec
        self._command = command
        self._cgroups = cgroups
        self._log = BoundedLog(spec.limits.log_bytes)
        self._results_file: BinaryIO | None = None
        self._results_bytes = 0
        self._is_ready = False
        self._heard: Callable[[bytes], None] | None = None
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

    def listen(self, heard: Callable[[bytes], None]) -> None:
        """See the port."""
        self._heard = heard

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
                process, meter = self._start(stack)
                self._started.set()
                self._follow(process, meter, stack)
                self._result = self._taken_down(process, meter)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            self._error = error if isinstance(error, SandboxError) else SandboxError(f"the sandbox failed: {error!r}")
        finally:
            self._over.set()
            self._ready_or_over.set()
            self._started.set()

    def _start(self, stack: ExitStack) -> tuple[Process, Meter]:
        if self._spec.results:
            self._results_file = stack.enter_context(self._spec.results.open("wb"))
        # Removed last, when nothing is in it any more.
        group = stack.enter_context(self._cgroups.group(self._spec.limits)) if self._cgroups else None
        process = launch(self._spec, self._command, group, stack)
        self._take_stdin(process, stack)
        return process, Meter(self._spec, group)

    def _take_stdin(self, process: Process, stack: ExitStack) -> None:
        wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        stack.callback(os.close, wake_fd)
        stdin = process.popen.stdin
        with self._lock:
            self._stdin, self._wake_fd = stdin, wake_fd  # type: ignore[assignment]  # unbuffered: a raw file
        # Last in, first out: nobody writes to a descriptor that is closed.
        stack.callback(self._give_up_descriptors)
        os.set_blocking(stdin.fileno(), False)  # type: ignore[union-attr]  # a pipe was asked for
        if not self._spec.waits_for_line:
            await_bound(process)
            self.send_line(b"")

    def _give_up_descriptors(self) -> None:
        with self._lock:
            if self._stdin:
                with suppress(BrokenPipeError):
                    self._stdin.close()
            self._stdin, self._wake_fd = None, None

    def _follow(self, process: Process, meter: Meter, stack: ExitStack) -> None:
        """Read what it says and look at what it uses, until it is over or a limit is reached."""
        selector = stack.enter_context(selectors.DefaultSelector())
        for descriptor in (process.log_fd, process.results_fd, process.pidfd, self._wake_fd):
            if descriptor is not None:
                selector.register(descriptor, selectors.EVENT_READ)
        next_look = time.monotonic()
        while self._ended_by is None:
            ready = selector.select(max(0.0, min(next_look, self._deadline()) - time.monotonic()))
            self._note_begin(meter)
            descriptors = {key.fd for key, _ in ready}
            if process.pidfd in descriptors:
                return
            for descriptor in descriptors:
                if not self._attend(process, meter, descriptor):
                    selector.unregister(descriptor)
            now = time.monotonic()
            if now >= self._deadline():
                self._end(EndedBy.TIME_LIMIT)
            # When it begins, and when it hands out its results: the moments to see what a short job holds.
            elif now >= next_look or descriptors - {process.log_fd}:
                self._look(process, meter)
                next_look = now + meter.next_look_s()

    def _note_begin(self, meter: Meter) -> None:
        if self._begun_at is not None and not meter.has_begun:
            meter.begin(self._begun_at)

    def _look(self, process: Process, meter: Meter) -> None:
        broken = meter.look(process.init_pid)
        if broken:
            self._end(broken)

    def _attend(self, process: Process, meter: Meter, descriptor: int) -> bool:
        """Take what there is on a descriptor; False when nothing more will come."""
        if descriptor == self._wake_fd:
            os.eventfd_read(descriptor)
            return True
        return self._read(process, meter, descriptor)

    def _deadline(self) -> float:
        return float("inf") if self._begun_at is None else self._begun_at + self._spec.limits.wall_time_s

    def _read(self, process: Process, meter: Meter, descriptor: int) -> bool:
        """Take what was written to the log or the results; False at the end of it."""
        data = os.read(descriptor, READ_BYTES)
        if descriptor == process.log_fd:
            self._log.write(data)
            if self._heard and data:
                self._heard(data)
            if self._log.total_bytes > self._spec.limits.log_bytes * LOG_FLOOD_FACTOR:
                self._end(EndedBy.OUTPUT_LIMIT)
        elif data:
            self._take_results(process, meter, data)
        return bool(data)

    def _take_results(self, process: Process, meter: Meter, data: bytes) -> None:
        results = data if self._is_ready else data[1:]
        if not self._is_ready:
            # Before anybody hears that it is ready, and lets it begin: what was used until here is not the job's.
            self._look(process, meter)
            await_bound(process)
            self._is_ready = True
            self._ready_or_over.set()
        if results and not self._results_bytes:
            self._look(process, meter)
            meter.divide(time.monotonic())
        self._results_bytes += len(results)
        if self._results_bytes > self._spec.limits.output_bytes:
            self._end(EndedBy.OUTPUT_LIMIT)
        elif self._results_file:
            self._results_file.write(results)

    def _taken_down(self, process: Process, meter: Meter) -> SandboxResult:
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
            while descriptor is not None and self._read(process, meter, descriptor):
                pass
        code = process.popen.wait(END_LIMIT_S)
        exited = code if 0 <= code < _SIGNALLED else None
        parts = meter.finished(ended_at)
        return SandboxResult(
            ended_by=self._ended_by or meter.broken_limit() or EndedBy.EXIT,
            exit_code=exited,
            # bubblewrap says 128 + n for a program that died by signal n.
            signal=None if exited is not None else abs(code) % _SIGNALLED,
            log=self._log.content(),
            parts=parts,
        )


def _await_end(pidfd: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(pidfd, selectors.EVENT_READ)
        if not selector.select(END_LIMIT_S):
            raise SandboxError("a killed sandbox does not end: the host's kernel or disk hangs")
