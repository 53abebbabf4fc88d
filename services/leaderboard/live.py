"""What is only said in passing: places in the queue, and lines that submissions print while they run. In memory, and bounded.

Nobody relies on it: places are said again every second, and a whole log is stored once its fold is done.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from shared.bus.telemetry import AnyTelemetry, LogLines, QueuePlace, QueueSnapshot
from shared.bus.topology import TRAINER_USER_PREFIX

#: Of each fold so much of what it prints is kept, of so many folds, and of so many submissions, those that printed last. For each
#: pool, so that a trainer that lies crowds out its own pool's only.
MAX_CHARS = 64 * 2**10
MAX_FOLDS = 1_000
MAX_SUBMISSIONS = 500
MAX_POOL_CHARS = 16 * 2**20


@dataclass(frozen=True)
class Waiting:
    """Where a submission stands in its pool's queue, and whether that stands still, with an administrator's words."""

    place: QueuePlace
    is_paused: bool
    reason: str


class Watcher:
    """One open stream: woken when something was said of its submission."""

    def __init__(self) -> None:
        self.lines: list[LogLines] = []
        self._moved = asyncio.Event()

    def wake(self) -> None:
        """Something was said."""
        self._moved.set()

    async def wait(self) -> None:
        """Wait until something was said since the last time."""
        await self._moved.wait()
        self._moved.clear()

    def take(self) -> list[LogLines]:
        """The lines since the last time."""
        lines, self.lines = self.lines, []
        return lines


class _Texts:
    """What the submissions of one pool print, by submission and fold."""

    def __init__(self) -> None:
        self._of: OrderedDict[UUID, OrderedDict[int, str]] = OrderedDict()
        self._chars = 0

    def text(self, submission_id: UUID, fold: int) -> str:
        folds = self._of.get(submission_id)
        return folds.get(fold, "") if folds else ""

    def add(self, lines: LogLines) -> None:
        folds = self._of.setdefault(lines.submission_id, OrderedDict())
        self._of.move_to_end(lines.submission_id)
        before = folds.pop(lines.fold, "")
        now = folds[lines.fold] = (before + lines.text)[-MAX_CHARS:]
        self._chars += len(now) - len(before)
        if len(folds) > MAX_FOLDS:
            self._chars -= len(folds.popitem(last=False)[1])
        while len(self._of) > MAX_SUBMISSIONS or self._chars > MAX_POOL_CHARS:
            self._chars -= sum(map(len, self._of.popitem(last=False)[1].values()))


class Live:
    """For one event loop; `place` and `text` may be read from any thread."""

    def __init__(self) -> None:
        self._places: dict[str, dict[UUID, Waiting]] = {}
        self._snapshots: dict[str, tuple[QueueSnapshot, float]] = {}
        #: By pool: that of the user who said it, as the broker has verified.
        self._texts: dict[str, _Texts] = {}
        self._watchers: dict[tuple[str, UUID], set[Watcher]] = {}

    async def hear(self, said: AnyTelemetry, user: str) -> None:
        """Take in what was said. Lines are of a submission only if they come from its own pool."""
        if isinstance(said, QueueSnapshot):
            self._hear_places(said)
        elif isinstance(said, LogLines) and user.startswith(TRAINER_USER_PREFIX):
            self._hear_lines(user.removeprefix(TRAINER_USER_PREFIX), said)

    def snapshots(self) -> list[tuple[QueueSnapshot, float]]:
        """What was heard last of each pool, by name, and how many seconds ago."""
        now = time.monotonic()
        return [(snapshot, now - at) for _, (snapshot, at) in sorted(self._snapshots.copy().items())]

    def place(self, submission_id: UUID) -> Waiting | None:
        """Where it stands in its pool's queue; None if it does not wait, or nothing was heard yet."""
        for places in tuple(self._places.values()):
            if submission_id in places:
                return places[submission_id]
        return None

    def text(self, pool: str, submission_id: UUID, fold: int) -> str:
        """The newest of what a fold of a pool's submission has printed so far."""
        texts = self._texts.get(pool)
        return texts.text(submission_id, fold) if texts else ""

    @contextmanager
    def watching(self, pool: str, submission_id: UUID) -> Iterator[Watcher]:
        """Hear of one submission of a pool."""
        watcher, key = Watcher(), (pool, submission_id)
        self._watchers.setdefault(key, set()).add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[key].discard(watcher)
            if not self._watchers[key]:
                del self._watchers[key]

    def _hear_places(self, snapshot: QueueSnapshot) -> None:
        before = self._places.get(snapshot.pool, {})
        self._snapshots[snapshot.pool] = (snapshot, time.monotonic())
        is_paused = snapshot.state != "open"
        now = {place.submission_id: Waiting(place, is_paused, snapshot.reason) for place in snapshot.places}
        self._places[snapshot.pool] = now
        for pool, submission_id in tuple(self._watchers):
            if pool == snapshot.pool and before.get(submission_id) != now.get(submission_id):
                self._wake(pool, submission_id)

    def _hear_lines(self, pool: str, lines: LogLines) -> None:
        self._texts.setdefault(pool, _Texts()).add(lines)
        for watcher in self._watchers.get((pool, lines.submission_id), ()):
            if sum(len(each.text) for each in watcher.lines) < MAX_CHARS:
                watcher.lines.append(lines)
        self._wake(pool, lines.submission_id)

    def _wake(self, pool: str, submission_id: UUID) -> None:
        for watcher in self._watchers.get((pool, submission_id), ()):
            watcher.wake()
