"""Control groups: one for each sandbox, made below the group that this process is in, so that what bounds the service bounds
its sandboxes with it.

Owns one group's files (versions 1 and 2 of the interface) and its life. Where groups may be made is found in `cgroup_places`.

What a group gives that a watcher of processes cannot: memory stops at its limit at once; pages that several processes share
count once; the CPU time of whatever ran is counted, however short. What it counts and we do not report: cached pages of files,
since they are the system's to take back; so the kernel is given a little more than the limit, for its own tables, and what
counts as held is read from `memory.stat`.
"""

import errno
import os
import re
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Self

from shared.execution.sandbox.port import Limits, SandboxError

#: Tells our groups from others'.
_PREFIX = "palio-sandbox-"
#: bubblewrap's own, outside and inside.
_OWN_PROCESSES = 5
#: A killed process leaves its group a moment after its end was told.
_REMOVAL_LIMIT_S, _REMOVAL_PAUSE_S = 1.0, 0.005


class CgroupError(SandboxError):
    """A group can't be had, or not be used; the message says why."""


class Controller(StrEnum):
    """What a group can count and limit, by its name in version 1."""

    MEMORY = "memory"
    CPU = "cpuacct"
    PROCESSES = "pids"


@dataclass(frozen=True)
class Interface:
    """Names of files, and of entries in them, that differ between the two versions."""

    memory_limit: str
    swap_limit: str
    #: Whether the limit of swap is one of memory and swap together.
    swap_includes_memory: bool
    #: Where what TCP holds is limited, if it does not count as memory.
    tcp_limit: str | None
    peak: str
    held: tuple[str, ...]
    #: Cached pages, those of files in memory among them.
    cached: str
    #: File and entry that count kills for lack of memory, and those that count how often the limit was met.
    kills: tuple[str, str]
    limit_met: tuple[str, str | None]
    #: What the kernel holds for the group, if it is in its peak: tables, stacks, inodes; and buffers of sockets.
    kernel_memory: tuple[tuple[str, str | None], ...]
    cpu_time: tuple[str, str | None]
    cpu_units_per_s: int


V1 = Interface(
    memory_limit="memory.limit_in_bytes",
    swap_limit="memory.memsw.limit_in_bytes",
    swap_includes_memory=True,
    tcp_limit="memory.kmem.tcp.limit_in_bytes",
    peak="memory.max_usage_in_bytes",
    held=("rss", "shmem", "swap"),
    cached="cache",
    kills=("memory.oom_control", "oom_kill"),
    limit_met=("memory.failcnt", None),
    kernel_memory=(("memory.kmem.usage_in_bytes", None),),
    cpu_time=("cpuacct.usage", None),
    cpu_units_per_s=10**9,
)
V2 = Interface(
    memory_limit="memory.max",
    swap_limit="memory.swap.max",
    swap_includes_memory=False,
    tcp_limit=None,
    peak="memory.peak",
    held=("anon", "shmem"),
    cached="file",
    kills=("memory.events", "oom_kill"),
    limit_met=("memory.events", "max"),
    kernel_memory=(("memory.stat", "kernel"), ("memory.stat", "sock")),
    cpu_time=("cpu.stat", "usage_usec"),
    cpu_units_per_s=10**6,
)


@dataclass(frozen=True)
class Place:
    """A folder of a control group file system: one in which groups may be made, or a group itself."""

    interface: Interface
    folder: Path


class Group:
    """The group of one sandbox: a folder for each controller, or one for several. Used by one thread.

    Use it as a context: at the end it is gone. Every reading is None, or nothing, for what its controllers do not count.
    """

    def __init__(self, places: Mapping[Controller, Place]) -> None:
        self._memory = places.get(Controller.MEMORY)
        self._cpu = places.get(Controller.CPU)
        self._processes = places.get(Controller.PROCESSES)
        self._folders = {place.folder for place in places.values()}
        self._peak_fd = self._open_peak()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.remove()

    def limit(self, limits: Limits) -> None:
        """Have the kernel hold these limits. Raises `OSError`."""
        if self._memory:
            interface, folder = self._memory.interface, self._memory.folder
            # With room for the kernel's own, and for what a look comes too late to see.
            hard = limits.hard_memory_bytes
            (folder / interface.memory_limit).write_text(str(hard))
            # Not there on a host without swap accounting.
            if (folder / interface.swap_limit).exists():
                (folder / interface.swap_limit).write_text(str(hard if interface.swap_includes_memory else 0))
            # Beyond it, TCP waits.
            if interface.tcp_limit and (folder / interface.tcp_limit).exists():
                (folder / interface.tcp_limit).write_text(str(hard - limits.memory_bytes))
            # Version 1 kills one process, and we the others when we see it; version 2 can do it all at once.
            if (folder / "memory.oom.group").exists():
                (folder / "memory.oom.group").write_text("1")
        if self._processes:
            (self._processes.folder / "pids.max").write_text(str(limits.processes + _OWN_PROCESSES))

    def enter(self, *pids: int) -> None:
        """Put processes into the group; what they start from now on is in it, too. Raises `CgroupError`."""
        for folder in self._folders:
            for pid in pids:
                try:
                    (folder / "cgroup.procs").write_text(str(pid))
                except ProcessLookupError:
                    # Over already: bubblewrap has said why, and is heard of it later.
                    continue
                except OSError as error:
                    raise CgroupError(f"no process can be put into {folder}: {error.strerror}") from error

    @property
    def limits_processes(self) -> bool:
        """Whether the kernel refuses more processes than there may be."""
        return self._processes is not None

    def held_bytes(self) -> int | None:
        """Memory that processes and files in memory hold now; not cached pages of files, nor the kernel's own."""
        if not self._memory:
            return None
        return sum(_entries(self._memory.folder / "memory.stat").get(name, 0) for name in self._memory.interface.held)

    def cpu_time_s(self) -> float | None:
        """CPU time of all that ever ran in it."""
        if not self._cpu:
            return None
        return _number(self._cpu, self._cpu.interface.cpu_time) / self._cpu.interface.cpu_units_per_s

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed in it for lack of memory."""
        return self._memory is not None and _number(self._memory, self._memory.interface.kills) > 0

    def peak_bytes(self) -> int:
        """What was surely held at once since `forget_peak`: finds what came and went between two looks. 0: not known.

        The kernel's own peak counts cached pages, too. As long as it took none of them back there were at most as many at the
        peak as there are now. When it killed, it had taken back all it could.
        """
        if not self._memory or self._peak_fd is None:
            return 0
        interface, folder = self._memory.interface, self._memory.folder
        if _number(self._memory, interface.limit_met) > 0 and not self.ran_out_of_memory():
            return 0
        entries = _entries(folder / "memory.stat")
        cached = entries.get(interface.cached, 0) - entries.get("shmem", 0)
        kernel = sum(_number(self._memory, where) for where in interface.kernel_memory)
        return max(0, int(os.pread(self._peak_fd, 64, 0)) - cached - kernel)

    def forget_peak(self) -> None:
        """Let `peak_bytes` count from now on."""
        if self._peak_fd is not None:
            os.pwrite(self._peak_fd, b"0", 0)

    def remove(self) -> None:
        """Remove it, once no process is in it. One that can't be removed is left to the next service that starts."""
        if self._peak_fd is not None:
            os.close(self._peak_fd)
            self._peak_fd = None
        for folder in self._folders:
            _remove(folder)

    def _open_peak(self) -> int | None:
        """The file with the peak, if it can be set back: version 2 forgets for one descriptor only, from Linux 6.12 on."""
        if not self._memory:
            return None
        try:
            return os.open(self._memory.folder / self._memory.interface.peak, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None


class Cgroups:
    """Makes groups in these places, from any thread. Removes what a service that died left there."""

    def __init__(self, places: Mapping[Controller, Place]) -> None:
        self._places = places
        self._numbers = count()
        self._owner = _owner(os.getpid())
        # Those of another PID namespace have names that say nothing here.
        name = re.compile(rf"({_PREFIX}{_namespace()}-(\d+)-\d+)-\d+")
        for folder in {place.folder for place in places.values()}:
            for left in folder.glob(f"{_PREFIX}*"):
                of_whom = name.fullmatch(left.name)
                if of_whom and of_whom[1] != _owner(int(of_whom[2])):
                    _clear(left)

    def group(self, limits: Limits) -> Group:
        """A new group with these limits. Raises `CgroupError`."""
        name = f"{self._owner}-{next(self._numbers)}"
        made = {controller: Place(place.interface, place.folder / name) for controller, place in self._places.items()}
        try:
            for folder in {place.folder for place in made.values()}:
                folder.mkdir()
            group = Group(made)
            group.limit(limits)
        except OSError as error:
            for place in made.values():
                _removed(place.folder)
            raise CgroupError(f"no control group can be made: {error}") from error
        return group


def _owner(pid: int) -> str:
    """A name for a process and its groups. A process id alone may pass to another process."""
    try:
        # The name in brackets may hold anything; after it, the start is field 22 of all.
        started = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        started = ""
    return f"{_PREFIX}{_namespace()}-{pid}-{started}"


def _namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _clear(folder: Path) -> None:
    """End what is in a group whose service died before its sandbox could know whom to die with, and remove it.

    Again and again: what starts processes faster than they are read would else outlive it. Version 2 ends all at once, from
    Linux 5.14 on.
    """
    deadline = time.monotonic() + _REMOVAL_LIMIT_S
    while not _removed(folder) and time.monotonic() < deadline:
        with suppress(OSError):
            if (folder / "cgroup.kill").exists():
                (folder / "cgroup.kill").write_text("1")
            for pid in (folder / "cgroup.procs").read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        time.sleep(_REMOVAL_PAUSE_S)


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + _REMOVAL_LIMIT_S
    while not _removed(folder) and time.monotonic() < deadline:
        time.sleep(_REMOVAL_PAUSE_S)


def _entries(path: Path) -> dict[str, int]:
    """A file of lines with a name and a number."""
    return {name: int(number) for name, _, number in (line.partition(" ") for line in path.read_text().splitlines())}


def _number(place: Place, where: tuple[str, str | None]) -> int:
    """A number that stands alone in a file, or beside a name; 0 if it is not there."""
    name, entry = where
    with suppress(FileNotFoundError):
        path = place.folder / name
        return int(path.read_text()) if entry is None else _entries(path).get(entry, 0)
    return 0


def _removed(folder: Path) -> bool:
    """Whether a group is gone now."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        return error.errno != errno.EBUSY
    return True
