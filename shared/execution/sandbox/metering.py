"""What a sandbox uses, compared with what it may: times, memory, processes, writable folders.

Owns the figures that are reported. They come from the sandbox's control group where there is one, which counts exactly and also
what is gone already; else from looks at `/proc`. Ends nothing itself, and is used by one thread only.
"""

import time
from dataclasses import replace

from shared.execution.sandbox.cgroups import Group
from shared.execution.sandbox.port import EndedBy, SandboxSpec, Usage
from shared.execution.sandbox.usage import Tree, TreeClock, TreeUsage, folder_exceeds

#: bubblewrap's own, inside: up to three.
_OWN_PROCESSES = 3
_SHORTEST_LOOK_S = 0.01
_LONGEST_LOOK_S = 0.1
_IDLE_LOOK_S = 1.0
_FOLDER_LOOK_SHARE = 20
#: How fast memory can be filled by a program that does nothing else: decides when to look next.
_FILL_BYTES_PER_S = 4 << 30
#: A single thread that computes all the time should hear that the time is over, not that it used too much of it.
_CPU_GRACE_S = 0.1


class Meter:
    """The figures of one sandbox."""

    def __init__(self, spec: SandboxSpec, group: Group | None) -> None:
        self._limits = spec.limits
        self._folders = [mount.source for mount in spec.mounts if mount.writable]
        self._group = group
        self._tree = Tree(spec.limits, with_memory=group is None or group.held_bytes() is None)
        self._clock = TreeClock()
        self._next_folder_look = 0.0
        self._now = TreeUsage(processes=0, memory_bytes=0, cpu_time_s=0.0)
        self._peak_bytes = 0
        self._parts: list[Usage] = []
        #: When the part that runs began, and the CPU time until then. Before the begin there is none.
        self._part_began_at: float | None = None
        self._part_cpu_s = 0.0
        self._cpu_at_begin_s = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether what is used counts."""
        return self._part_began_at is not None

    def begin(self, at: float) -> None:
        """What is used from here on counts. A program that waits uses nothing, so the last look is as good as one now."""
        self._cpu_at_begin_s = self._now.cpu_time_s
        self._begin_part(at)

    def look(self, init_pid: int) -> EndedBy | None:
        """Take a reading; which limit it breaks."""
        read = self._read(init_pid)
        # A process that is being set up or taken down may show nothing for a moment: CPU time never goes back.
        cpu_time_s = max(self._now.cpu_time_s, read.cpu_time_s)
        self._now = replace(read, cpu_time_s=cpu_time_s)
        self._peak_bytes = max(self._peak_bytes, read.memory_bytes)
        if read.memory_bytes > self._limits.memory_bytes:
            return EndedBy.MEMORY_LIMIT
        if read.memory_bytes + read.in_kernel_bytes > self._limits.hard_memory_bytes:
            return EndedBy.MEMORY_LIMIT
        if read.processes > self._limits.processes + _OWN_PROCESSES:
            return EndedBy.PROCESS_LIMIT
        return self.broken_limit() or self._look_at_folders()

    def broken_limit(self) -> EndedBy | None:
        """A limit that was broken at any time until the last reading. To be asked after the end, too: it may be why it ended."""
        if self._group and self._group.ran_out_of_memory():
            return EndedBy.MEMORY_LIMIT
        if self.has_begun and self._now.cpu_time_s - self._cpu_at_begin_s > self._limits.cpu_time_s + _CPU_GRACE_S:
            return EndedBy.CPU_TIME_LIMIT
        return None

    def next_look_s(self) -> float:
        """How long the next look can wait, in seconds."""
        if not self.has_begun:
            return _IDLE_LOOK_S
        until_full = (self._limits.memory_bytes - self._now.memory_bytes) / _FILL_BYTES_PER_S
        return min(max(until_full, _SHORTEST_LOOK_S), _LONGEST_LOOK_S)

    def divide(self, at: float) -> None:
        """One part is over and another begins; look first."""
        if self._part_began_at is not None:
            self._end_part(self._part_began_at, at)
            self._begin_part(at)

    def finished(self, at: float) -> tuple[Usage, ...]:
        """All parts, once no process is left."""
        if self._group:
            # What processes used since the last look, a group still knows; `/proc` forgets it with them.
            cpu_time_s = max(self._now.cpu_time_s, self._group.cpu_time_s() or 0.0)
            self._now = TreeUsage(0, 0, cpu_time_s)
        self._end_part(at if self._part_began_at is None else self._part_began_at, at)
        return tuple(self._parts)

    def _begin_part(self, at: float) -> None:
        self._part_began_at, self._part_cpu_s = at, self._now.cpu_time_s
        self._peak_bytes = self._now.memory_bytes
        if self._group:
            self._group.forget_peak()

    def _end_part(self, began_at: float, at: float) -> None:
        peak = max(self._peak_bytes, self._group.peak_bytes() if self._group else 0)
        # Results that are still in the pipe at the end are read after it, and so divide after it.
        wall_time_s = max(at - began_at, 0.0)
        self._parts.append(Usage(wall_time_s, self._now.cpu_time_s - self._part_cpu_s, peak))

    def _read(self, init_pid: int) -> TreeUsage:
        """What is used now: counted by the group, and looked up for what it does not count."""
        held = self._group.held_bytes() if self._group else None
        cpu_time_s = self._group.cpu_time_s() if self._group else None
        if self._group and self._group.limits_processes and held is not None and cpu_time_s is not None:
            return TreeUsage(0, held, cpu_time_s)
        tree = self._tree.usage(init_pid)
        return replace(
            tree,
            memory_bytes=tree.memory_bytes if held is None else held,
            cpu_time_s=self._clock.saw(tree.cpu_time_s) if cpu_time_s is None else cpu_time_s,
        )

    def _look_at_folders(self) -> EndedBy | None:
        before = time.monotonic()
        if before < self._next_folder_look:
            return None
        exceeds = any(folder_exceeds(folder, self._limits.output_bytes) for folder in self._folders)
        # A folder of many files takes long to look at: a twentieth of the time is enough for it.
        after = time.monotonic()
        self._next_folder_look = after + (after - before) * _FOLDER_LOOK_SHARE
        return EndedBy.OUTPUT_LIMIT if exceeds else None
