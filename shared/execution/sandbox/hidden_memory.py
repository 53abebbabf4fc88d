"""Memory of a tree of processes that no process shows as its own: shared mappings, and what the kernel holds for it.

Owns the looks at `/proc` that find it, for hosts without control groups. What cannot be read exactly is taken for the most that it
can be; where exactness is dear, it is looked up only if the most would break a limit, so that looks stay cheap.
"""

import mmap
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
#: Of all processes together, at one look: some forty thousand mappings, where numerical code has a thousand a process. Who has
#: more would make looks slow, and be gone before the next one.
_MAX_MAPS_BYTES = 4 << 20
#: A pipe has 16 pages, 2 for a user that has many. The filter of system calls lets nobody make it larger.
_PIPE_PAGES, _LEAST_PIPE_PAGES = 16, 2
#: Of a TCP socket that holds nothing, and what a byte that it holds may take, with the kernel's own.
_TCP_BYTES, _TCP_FACTOR = 64 << 10, 2


@dataclass(frozen=True)
class Process:
    """One that is there. `place` is its folder in `/proc`, or that of a thread of it if its first is over, and shows nothing.

    `started` tells it from another of the same number; `faults` counts the pages that it was ever given.
    """

    pid: int
    place: str
    tasks: Sequence[str]
    size_bytes: int
    started: int
    faults: int


@dataclass(frozen=True)
class _Read:
    """What a process mapped when its mappings were read: bytes by inode."""

    started: int
    faults: int
    objects: dict[int, int]


class SharedMappings:
    """What the shared anonymous mappings of a tree hold, each counted once, whoever maps it.

    A page that its processes let go of (`MADV_DONTNEED`) stays, and is in nobody's resident size. A privileged watcher is told by the
    kernel what each holds. To any other it is as large as it was ever seen mapped.
    """

    def __init__(self) -> None:
        self._read: dict[int, _Read] = {}
        self._largest: dict[int, int] = {}
        self._unread_bytes = 0

    def held_bytes(self, processes: Sequence[Process], room_bytes: int) -> int:
        """Now. Exact enough to say whether it is more than `room_bytes`: a busy process has a thousand mappings, to be read seldom."""
        there = {process.pid: process.started for process in processes}
        is_gone = any(there.get(pid) != read.started for pid, read in self._read.items())
        if is_gone or self._unread_bytes or self._held_bytes() + self._new_bytes(processes) > room_bytes:
            # All: what one process filled may be in the mappings of another by now, and only there.
            self._read = {}
        left = _MAX_MAPS_BYTES
        self._unread_bytes = 0
        for process in processes:
            if process.pid in self._read:
                continue
            if left <= 0:
                # What hides is taken for the most that it can be.
                self._unread_bytes += process.size_bytes
                continue
            # One that ends meanwhile holds nothing.
            with suppress(OSError):
                maps = _maps(process, left)
                left -= len(maps)
                self._read[process.pid] = _Read(process.started, process.faults, self._objects(process, maps))
        return self._held_bytes() + self._unread_bytes

    def _held_bytes(self) -> int:
        held: dict[int, int] = {}
        for read in self._read.values():
            for inode, size in read.objects.items():
                held[inode] = max(size, held.get(inode, 0))
        self._largest = {inode: size for inode, size in self._largest.items() if inode in held}
        return sum(held.values())

    def _new_bytes(self, processes: Iterable[Process]) -> int:
        """The most that can have been filled since the mappings were read: each page of it costs a fault."""
        return _fault_bytes() * sum(
            process.faults - self._read[process.pid].faults for process in processes if process.pid in self._read
        )

    def _objects(self, process: Process, maps: bytes) -> dict[int, int]:
        """The bytes of each, by inode."""
        extents: dict[int, tuple[str, int]] = {}
        for begin, end, offset, number in _shared_mapping().findall(maps):
            inode, first, last = int(number), int(begin, 16), int(end, 16)
            extent = int(offset, 16) + last - first
            if extent >= extents.get(inode, ("", 0))[1]:
                extents[inode] = (f"{first:x}-{last:x}", extent)
        objects = {}
        for inode, (addresses, extent) in extents.items():
            self._largest[inode] = max(extent, self._largest.get(inode, 0))
            try:
                objects[inode] = os.stat(f"/proc/{process.pid}/map_files/{addresses}").st_blocks * 512  # noqa: PTH116 - often
            except OSError:
                # Not told to an unprivileged watcher; or mapped elsewhere by now.
                objects[inode] = self._largest[inode]
        return objects


def in_kernel_bytes(processes: Sequence[Process], room_bytes: int) -> int:
    """What the kernel may hold in sockets and pipes for these processes. Exact enough to say whether it is more than `room_bytes`."""
    inside = next((process.place for process in reversed(processes) if _has_own_network(process)), None)
    sockets, tcp_sockets = _sockets(inside) if inside else (0, 0)
    known = sockets * _socket_bytes()
    descriptors = sum(_descriptors(f"/proc/{process.pid}/task/{task}") for process in processes for task in process.tasks)
    most = known + _pipes_bytes(descriptors) + tcp_sockets * _most_of_tcp_bytes()
    if most <= room_bytes:
        return most
    return known + _pipes_bytes(_pipes(processes)) + (_tcp_bytes(inside, tcp_sockets) if inside and tcp_sockets else 0)


@cache
def _fault_bytes() -> int:
    """The most that one page fault gives a shared mapping: more than a page only where the host was told so."""
    switches = Path("/sys/kernel/mm/transparent_hugepage")
    for path in (switches / "shmem_enabled", *switches.glob("hugepages-*/shmem_enabled")):
        with suppress(OSError):
            if not {"[never]", "[deny]", "[inherit]"} & set(path.read_text().split()):
                return int((switches / "hpage_pmd_size").read_text())
    return _PAGE_BYTES


def _maps(process: Process, limit_bytes: int) -> bytes:
    with open(f"{process.place}/maps", "rb") as maps:  # noqa: PTH123 - called often, on every process
        return maps.read(limit_bytes)


@cache
def _shared_mapping() -> "re.Pattern[bytes]":
    """Finds mappings of the kernel's own file system in memory. Not by name: a program may give them another (`prctl`)."""
    with mmap.mmap(-1, _PAGE_BYTES):
        maps = Path("/proc/self/maps").read_bytes()
    found = re.search(rb"^\S+ \S+ \S+ (\S+) \d+ +/dev/zero \(deleted\)$", maps, re.MULTILINE)
    device = found[1] if found else b"00:01"
    return re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) " + device + rb" (\d+)", re.MULTILINE)


def _has_own_network(process: Process) -> bool:
    """Where it has not, its sockets can't be told from the host's, and it is trusted with a network anyway."""
    with suppress(OSError):
        return os.stat(f"{process.place}/ns/net").st_ino != _own_network()  # noqa: PTH116 - called often
    return False


@cache
def _own_network() -> int:
    return Path("/proc/self/ns/net").stat().st_ino


def _sockets(place: str) -> tuple[int, int]:
    """How many sockets there are in its network, and how many of them are TCP's: those on their way to others among them."""
    counts = {}
    for name in ("sockstat", "sockstat6"):
        with suppress(FileNotFoundError), open(f"{place}/net/{name}", "rb") as file:  # noqa: PTH123 - called often
            for line in file:
                words = line.split()
                if words[1] in {b"used", b"inuse"}:
                    counts[words[0]] = int(words[2])
    return counts.get(b"sockets:", 0), counts.get(b"TCP:", 0) + counts.get(b"TCP6:", 0)


@cache
def _socket_bytes() -> int:
    """The most that one holds: it takes one message more while it is not full, and that may be as large again."""
    return 2 * max(_setting("net/core/wmem_default"), _setting("net/core/rmem_default"))


@cache
def _most_of_tcp_bytes() -> int:
    return _setting("net/ipv4/tcp_wmem") + _setting("net/ipv4/tcp_rmem")


def _tcp_bytes(place: str, sockets: int) -> int:
    """What TCP's sockets hold. The kernel walks through a large table for it."""
    held = 0
    for name in ("tcp", "tcp6"):
        with suppress(FileNotFoundError), open(f"{place}/net/{name}", "rb") as file:  # noqa: PTH123 - called often
            for line in list(file)[1:]:
                sent, _, received = line.split()[4].partition(b":")
                held += int(sent, 16) + int(received, 16)
    return held * _TCP_FACTOR + sockets * _TCP_BYTES


def _pipes_bytes(pipes: int) -> int:
    most = pipes * _PIPE_PAGES
    if allowed := _setting("fs/pipe-user-pages-soft"):
        most = min(most, allowed + pipes * _LEAST_PIPE_PAGES)
    return most * _PAGE_BYTES


def _descriptors(task: str) -> int:
    """How many a thread has: threads need not share them."""
    try:
        # Told by the folder's size from Linux 6.2 on.
        return os.stat(f"{task}/fd").st_size or len(os.listdir(f"{task}/fd"))  # noqa: PTH116, PTH208 - called often
    except PermissionError:
        return _size_of_table(task)
    except OSError:
        return 0


def _pipes(processes: Iterable[Process]) -> int:
    pipes, unknown = set(), 0
    for process in processes:
        for task in process.tasks:
            folder = f"/proc/{process.pid}/task/{task}"
            try:
                for descriptor in os.listdir(f"{folder}/fd"):  # noqa: PTH208 - often
                    with suppress(FileNotFoundError):
                        opened = os.readlink(f"{folder}/fd/{descriptor}")  # noqa: PTH115 - often
                        if opened.startswith("pipe:"):
                            pipes.add(opened)
            except PermissionError:
                # A program may forbid all but root to look at its descriptors.
                unknown += _size_of_table(folder)
            except OSError:
                continue
    return len(pipes) + unknown


def _size_of_table(task: str) -> int:
    with suppress(OSError), open(f"{task}/status", "rb") as status:  # noqa: PTH123 - called often
        for line in status:
            if line.startswith(b"FDSize:"):
                return int(line.split()[1])
    return 0


@cache
def _setting(name: str) -> int:
    """The last number of a setting of the kernel's; 0 if it is not there."""
    with suppress(FileNotFoundError):
        return int((Path("/proc/sys") / name).read_text().split()[-1])
    return 0
