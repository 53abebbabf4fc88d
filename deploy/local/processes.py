"""Finds and ends the processes of one stack, by its mark: never anything else."""

import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.program import MARK

_PROC = Path("/proc")


@dataclass
class MarkedProcess:
    """A process whose environment carries the mark, held by a descriptor so that its id cannot pass to another process."""

    pid: int
    descriptor: int

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        try:
            signal.pidfd_send_signal(self.descriptor, number)
        except ProcessLookupError:
            return

    def wait(self, deadline: float) -> bool:
        """Whether it has ended by `deadline` (of `time.monotonic`)."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))

    def __enter__(self) -> Self:
        """Hold it for a `with` statement."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of it."""
        os.close(self.descriptor)


def marked_processes(mark: str) -> list[MarkedProcess]:
    """Every live process that was started with this mark. The caller closes them."""
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        process = _open_if_marked(int(entry.name), f"{MARK}={mark}".encode())
        if process is not None:
            found.append(process)
    return found


def end_all(mark: str, *, grace_s: float) -> int:
    """End every process with this mark: asked first, killed after `grace_s` seconds. Returns how many there were.

    Looks again until a look finds none, since a process may start another while it is being asked. Raises `TimeoutError`
    when some still run after being killed ten times.
    """
    ended = 0
    for attempt in range(10):
        processes = marked_processes(mark)
        if not processes:
            return ended
        ended += len(processes)
        deadline = time.monotonic() + (grace_s if attempt == 0 else 0)
        for process in processes:
            process.signal(signal.SIGTERM)
        for process in processes:
            with process:
                if not process.wait(deadline):
                    process.signal(signal.SIGKILL)
                    process.wait(time.monotonic() + 5)
    raise TimeoutError(f"processes started by this stack do not end: {[process.pid for process in marked_processes(mark)]}")


def _open_if_marked(pid: int, entry: bytes) -> MarkedProcess | None:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return None
    # The descriptor first, then the look: so what was looked at is what the descriptor holds.
    if entry in _environment(pid):
        return MarkedProcess(pid, descriptor)
    os.close(descriptor)
    return None


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        # Another user's process, or one that has just ended.
        return []
