"""What a tree of processes uses at this moment, read from `/proc`.

Memory is what the processes hold themselves, swapped out or not, not files they map: those are the system's cache. Files in memory
(`/tmp`, `/dev/shm` inside) and shared mappings are added, each once: some of it is in no process's figures, some in several.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shared.execution.sandbox.hidden_memory import Process, SharedMappings, in_kernel_bytes
from shared.execution.sandbox.port import Limits

#: What an entry costs the kernel, so that a million empty files count too.
_INODE_BYTES = 1024
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_IN_MEMORY = ("tmp", "dev/shm")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: Folders of a stranger may be deep and wide: looked at only so far.
_MAX_ENTRIES = 1_000_000


#: What the kernel says of the memory that a process holds, and of the tables that it needs for it.
_HELD = (b"RssAnon:", b"VmSwap:", b"HugetlbPages:")
_MAPPED, _SIZE, _TABLES = b"RssShmem:", b"VmSize:", b"VmPTE:"


@dataclass(frozen=True)
class TreeUsage:
    """Of a process and all its descendants: how many, the bytes of memory they hold, the seconds of CPU they took.

    `in_kernel_bytes` is what the kernel may hold for them beside that, in tables and buffers.
    """

    processes: int
    memory_bytes: int
    cpu_time_s: float
    in_kernel_bytes: int = 0


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


class Tree:
    """The processes of one sandbox, looked at again and again. `with_memory` says whether anybody wants to know of memory."""

    def __init__(self, limits: Limits, *, with_memory: bool) -> None:
        self._limits = limits
        self._with_memory = with_memory
        self._mappings = SharedMappings()

    def usage(self, root_pid: int) -> TreeUsage:
        """The usage now. Processes that end meanwhile are left out; one that is gone uses nothing.

        The CPU time is that of the processes that are there, and of those that they waited for.
        """
        processes, held, mapped, tables, cpu = [], 0, 0, 0, 0.0
        pids = [root_pid]
        for pid in pids:
            try:
                tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - called often, on every process
                place, sizes = _sizes(pid, tasks)
                stat = _stat(pid)
                children = _children(pid, tasks)
            except (OSError, ValueError):
                continue
            held += sum(sizes.get(name, 0) for name in _HELD)
            tables += sizes.get(_TABLES, 0)
            # Fields are counted from the state, which is the third: own and waited-for times are the fields 14 to 17.
            cpu += sum(stat[11:15]) / _TICKS_PER_S
            mapped = max(mapped, sizes.get(_MAPPED, 0))
            # Minor and major faults are the fields 10 and 12, the start is field 22.
            processes.append(Process(pid, place, tasks, sizes.get(_SIZE, 0), started=stat[19], faults=stat[7] + stat[9]))
            pids += children
        if not self._with_memory:
            return TreeUsage(len(processes), 0, cpu)
        files = _files_in_memory(processes, self._limits.files_in_memory_bytes)
        shared = files + self._mappings.held_bytes(processes, self._limits.memory_bytes - held - files)
        # What one process shows of it is surely there, though its mappings were not read again yet.
        held += max(shared, mapped)
        room = self._limits.hard_memory_bytes - held - tables
        return TreeUsage(len(processes), held, cpu, tables + in_kernel_bytes(processes, room))


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


def _sizes(pid: int, tasks: Iterable[str]) -> tuple[str, dict[bytes, int]]:
    """Where a process shows its memory, and what it shows, in bytes."""
    # A first thread that is over has no memory, though the others still have all of it.
    for place in (f"/proc/{pid}", *(f"/proc/{pid}/task/{task}" for task in tasks)):
        sizes = {}
        with open(f"{place}/status", "rb") as status:  # noqa: PTH123 - called often, on every process
            for line in status:
                if line.startswith((_MAPPED, _SIZE, _TABLES, *_HELD)):
                    name, number, _ = line.split()
                    sizes[name] = int(number) * 1024
        if sizes:
            return place, sizes
    return f"/proc/{pid}", {}


def _stat(pid: int) -> list[int]:
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - called often, on every process
        # The name in brackets may hold anything. After it comes the state, a letter.
        return [0, *map(int, file.read().rpartition(b")")[2].split()[1:])]


def _children(pid: int, tasks: Iterable[str]) -> list[int]:
    # A thread's children are listed under that thread only.
    children: list[int] = []
    for task in tasks:
        with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123 - called often, on every thread
            children += map(int, file.read().split())
    return children


def _files_in_memory(processes: list[Process], size: int) -> int:
    # The first processes are bubblewrap's own, and see another file system, as does one that is being set up. Those found last are
    # the furthest inside; but any of them may be gone by now.
    for process in reversed(processes):
        found = [used for folder in _IN_MEMORY if (used := _used(f"{process.place}/root/{folder}", size)) is not None]
        if found:
            return sum(found)
    return 0


def _used(folder: str, size: int) -> int | None:
    """What the files in a folder hold, if it is a file system of that size."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    if not 0 <= status.f_blocks * status.f_frsize - size < _PAGE_BYTES:
        return None
    return (status.f_blocks - status.f_bfree) * status.f_frsize + (status.f_files - status.f_ffree) * _INODE_BYTES
