"""What a tree of processes uses at this moment, read from `/proc`.

Memory is what the processes hold themselves (anonymous and shared, swapped out or not), not files they map: those are the
system's cache. The files in memory (`/tmp`, `/dev/shm` inside) are added, since they are memory that no process shows.
"""

import os
from dataclasses import dataclass
from pathlib import Path

#: What an entry costs the kernel, so that a million empty files count too.
_INODE_BYTES = 1024
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_IN_MEMORY = ("tmp", "dev/shm")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: Folders of a stranger may be deep and wide: looked at only so far.
_MAX_ENTRIES = 1_000_000


@dataclass(frozen=True)
class TreeUsage:
    """Of a process and all its descendants: how many, the bytes of memory they hold, the seconds of CPU they took."""

    processes: int
    memory_bytes: int
    cpu_time_s: float


class TreeClock:
    """The CPU time of a tree from one look to the next, though processes end and take theirs along.

    Who is waited for leaves his time to who waited, and what is left at the end is waited for by the first process inside. But a
    process that ignores SIGCHLD has children that nobody waits for: their time is gone from `/proc`. So a fall that the next look
    confirms is time that was lost, and is added for good. (One look alone may have come between the end of a child and the
    moment when its parent has its time.) What a child did in less time than a look takes is seen in part only.
    """

    def __init__(self) -> None:
        self._lost_s = 0.0
        self._last_two = (0.0, 0.0)

    def saw(self, cpu_time_s: float) -> float:
        """All CPU time so far, from what the processes that are there show now. Never less than before."""
        before, last = self._last_two
        self._lost_s += max(0.0, before - max(last, cpu_time_s))
        self._last_two = (last, cpu_time_s)
        return self._lost_s + max(self._last_two)


def tree_usage(root_pid: int, files_in_memory_bytes: int) -> TreeUsage:
    """The usage now. Processes that end meanwhile are left out; one that is gone uses nothing.

    `files_in_memory_bytes` is the size of the sandbox's own `/tmp`. The CPU time is that of the processes that are there, and of
    those that they waited for.
    """
    processes, memory, cpu = 0, 0, 0.0
    pids = [root_pid]
    for pid in pids:
        try:
            memory += _held_bytes(pid)
            cpu += _cpu_time_s(pid)
            children = _children(pid)
        except (OSError, ValueError):
            continue
        processes += 1
        pids += children
    # The first processes are bubblewrap's own, and see another file system; the one found last is the furthest inside.
    return TreeUsage(processes, memory + _files_in_memory(pids[-1], files_in_memory_bytes), cpu)


def folder_exceeds(folder: Path, limit_bytes: int) -> bool:
    """Whether a folder holds more than this on disk, or more entries than anybody needs. Links are not followed."""
    left_bytes, left_entries = limit_bytes, _MAX_ENTRIES
    folders = [str(folder)]
    for path in folders:
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    left_entries -= 1
                    left_bytes -= entry.stat(follow_symlinks=False).st_blocks * 512
                    if left_bytes < 0 or left_entries < 0:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except FileNotFoundError:
            continue
        except OSError:
            # Made unreadable, or too deep to name: hides what it holds.
            return True
    return False


def _held_bytes(pid: int) -> int:
    held = 0
    with open(f"/proc/{pid}/status", "rb") as status:  # noqa: PTH123 - called often, on every process
        for line in status:
            if line.startswith((b"RssAnon:", b"RssShmem:", b"VmSwap:")):
                held += int(line.split()[1]) * 1024
    return held


def _cpu_time_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - called often, on every process
        # The name in brackets may hold anything; after it: state is field 3, own and waited-for times are fields 14 to 17.
        fields = file.read().rpartition(b")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS_PER_S


def _children(pid: int) -> list[int]:
    # A thread's children are listed under that thread only.
    children: list[int] = []
    for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - called often, on every process
        with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123 - called often, on every thread
            children += map(int, file.read().split())
    return children


def _files_in_memory(pid: int, size: int) -> int:
    total = 0
    for folder in _IN_MEMORY:
        try:
            status = os.statvfs(f"/proc/{pid}/root/{folder}")
        except OSError:
            continue
        if not 0 <= status.f_blocks * status.f_frsize - size < _PAGE_BYTES:
            # While it is being set up, a process still sees the host's.
            continue
        total += (status.f_blocks - status.f_bfree) * status.f_frsize + (status.f_files - status.f_ffree) * _INODE_BYTES
    return total
