"""Stations kept ready: started, the kit imported and its X loaded, waiting for a job.

Importing numpy, pandas and scikit-learn takes a second or more, a fold of a small problem some milliseconds. A station still
serves one job only, and a submission's code enters only with its job: what is shared between two submissions is time, nothing
else.

Stations are started by one thread, one after the other and only once a job is over: folds that run have the cores first.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

from shared.execution.sandbox.port import SandboxError
from shared.execution.stations import SETUP_LIMIT_S, ColdStations, Station, StationSpec

#: Jobs of a kit that come within so many seconds are a burst: that many stations are worth having ready.
_BURST_S = 10.0
#: A problem that nobody submits to for so long gives its memory back.
IDLE_LIMIT_S = 1800.0


@dataclass
class _Waiting:
    """A station that waits, since when, and the files it was started with, which a cache may have replaced meanwhile."""

    station: Station
    files: tuple[tuple[int, int, int], ...]
    since: float = field(default_factory=time.monotonic)

    @property
    def is_good(self) -> bool:
        return not self.station.running.is_over and self.files == _identities(self.station.spec)


class StandbyStations:
    """Stations of which up to `capacity` wait ready, those of the kits that were used last. Safe among threads.

    A kit gets as many as jobs of it came in a burst, such as the folds of a run. Use it as a context: at the end, nothing it started is left.
    """

    def __init__(self, cold: ColdStations, capacity: int, idle_limit_s: float = IDLE_LIMIT_S) -> None:
        self._cold = cold
        self._capacity = capacity
        self._idle_limit_s = idle_limit_s
        #: Guards all that follows; the thread waits on it for something to do.
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._running: Counter[StationSpec] = Counter()
        #: For each kit, the most recently used last: how many stations it is worth.
        self._wanted: dict[StationSpec, int] = {}
        self._times: dict[StationSpec, deque[float]] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._keep_ready, name="standby", daemon=True)
        if capacity:
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @contextmanager
    def take(self, spec: StationSpec) -> Iterator[Station]:
        """A station for one job: one that waits if there is one, else a cold one."""
        with self._changed:
            self._running[spec] += 1
            self._note_use(spec)
            waiting = self._pop(spec)
        try:
            with waiting.station if waiting else self._cold.take(spec) as station:
                yield station
        finally:
            with self._changed:
                self._running[spec] -= 1
                if not self._running[spec]:
                    del self._running[spec]
                self._changed.notify_all()

    def expect(self, spec: StationSpec) -> None:
        """Have a station ready for a job that will probably come."""
        with self._changed:
            self._wanted[spec] = max(1, self._wanted.pop(spec, 0))
            self._changed.notify_all()

    def close(self) -> None:
        """End all that wait. Jobs that run are their callers'."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            for waiting in self._waiting:
                # So that nobody waits for one to be ready.
                waiting.station.running.kill()
        if self._capacity:
            self._thread.join()
        while self._waiting:
            self._waiting.pop().station.discard()

    def _pop(self, spec: StationSpec) -> _Waiting | None:
        """The longest waiting station of this kind that is still good: most probably it is ready. The lock is held."""
        for waiting in self._waiting:
            if waiting.station.spec == spec and waiting.is_good:
                self._waiting.remove(waiting)
                return waiting
        return None

    def _note_use(self, spec: StationSpec) -> None:
        """Remember how many came together, and that this kind was used last. The lock is held."""
        now = time.monotonic()
        times = self._times.setdefault(spec, deque(maxlen=self._capacity or 1))
        times.append(now)
        burst = sum(now - moment < _BURST_S for moment in times)
        self._wanted[spec] = max(burst, self._wanted.pop(spec, 0))
        while len(self._wanted) > max(self._capacity, 1):
            # More kinds than stations: the least recently used could not have one anyway.
            self._forget(next(iter(self._wanted)))

    def _forget(self, spec: StationSpec) -> None:
        self._wanted.pop(spec, None)
        self._times.pop(spec, None)

    def _keep_ready(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or (spec := self._next_to_start()) or self._useless()):
                    # Wakes by itself only to give back what waited too long.
                    self._changed.wait(self._idle_limit_s / 10)
                if self._closed:
                    return
                useless = self._useless()
                for waiting in useless:
                    self._waiting.remove(waiting)
            for waiting in useless:
                waiting.station.discard()
            if spec:
                self._start(spec)

    def _start(self, spec: StationSpec) -> None:
        try:
            waiting = _Waiting(self._cold.take(spec), _identities(spec))
        except (SandboxError, OSError):
            # Whoever needs it starts one itself, and hears why that fails.
            with self._changed:
                self._forget(spec)
            return
        with self._changed:
            self._waiting.append(waiting)
            if self._closed:
                return
        # One after the other: each takes a core for a second. Taken meanwhile, it is ready or over soon as well.
        if not waiting.station.running.wait_until_ready(SETUP_LIMIT_S):
            with self._changed:
                self._forget(spec)

    def _next_to_start(self) -> StationSpec | None:
        """The most recently used kind that has too few ready, unless jobs of it run. The lock is held."""
        room = self._capacity
        there = Counter(waiting.station.spec for waiting in self._waiting)
        for spec, wanted in reversed(self._wanted.items()):
            wanted_here = min(wanted, room)
            if there[spec] + self._running[spec] < wanted_here:
                return spec
            room -= wanted_here
        return None

    def _useless(self) -> list[_Waiting]:
        """Those that are broken, waited too long, or stand in the way of kinds used more recently. The lock is held."""
        now = time.monotonic()
        useless = [w for w in self._waiting if not w.is_good or now - w.since > self._idle_limit_s]
        for waiting in useless:
            if now - waiting.since > self._idle_limit_s:
                self._forget(waiting.station.spec)
        room = dict.fromkeys(self._wanted, 0)
        left = self._capacity
        for spec, wanted in reversed(self._wanted.items()):
            room[spec] = min(wanted, left)
            left -= room[spec]
        for waiting in self._waiting:
            if waiting not in useless:
                spec = waiting.station.spec
                if room.get(spec, 0) <= 0:
                    useless.append(waiting)
                else:
                    room[spec] -= 1
        return useless


def _identities(spec: StationSpec) -> tuple[tuple[int, int, int], ...]:
    """Device, inode and time of everything mounted: what is at a path may be removed and made anew while a station waits."""
    identities = []
    for mount in (*spec.environment.mounts, spec.kit, *spec.data):
        with suppress(FileNotFoundError):
            status = mount.source.stat()
            identities.append((status.st_dev, status.st_ino, status.st_ctime_ns))
    return tuple(identities)
