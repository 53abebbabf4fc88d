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

#: Of each submission so much of what it prints is kept, and of so many submissions, those that printed last.
MAX_CHARS = 64 * 2**10
MAX_SUBMISSIONS = 500


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


class Live:
    """For one event loop; `place` and `text` may be read from any thread."""

    def __init__(self) -> None:
        self._places: dict[str, dict[UUID, Waiting]] = {}
        self._snapshots: dict[str, tuple[QueueSnapshot, float]] = {}
        self._texts: OrderedDict[UUID, dict[int, str]] = OrderedDict()
        self._watchers: dict[UUID, set[Watcher]] = {}

    async def hear(self, said: AnyTelemetry, _user: str) -> None:
        """Take in what was said."""
        if isinstance(said, QueueSnapshot):
            self._hear_places(said)
        elif isinstance(said, LogLines):
            self._hear_lines(said)

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

    def text(self, submission_id: UUID, fold: int) -> str:
        """The newest of what a fold has printed so far."""
        return self._texts.get(submission_id, {}).get(fold, "")

    @contextmanager
    def watching(self, submission_id: UUID) -> Iterator[Watcher]:
        """Hear of one submission."""
        watcher = Watcher()
        self._watchers.setdefault(submission_id, set()).add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[submission_id].discard(watcher)
            if not self._watchers[submission_id]:
                del self._watchers[submission_id]

    def _hear_places(self, snapshot: QueueSnapshot) -> None:
        before = self._places.get(snapshot.pool, {})
        self._snapshots[snapshot.pool] = (snapshot, time.monotonic())
        is_paused = snapshot.state != "open"
        now = {place.submission_id: Waiting(place, is_paused, snapshot.reason) for place in snapshot.places}
        self._places[snapshot.pool] = now
        for submission_id in self._watchers.keys() & (before.keys() | now.keys()):
            if before.get(submission_id) != now.get(submission_id):
                self._wake(submission_id)

    def _hear_lines(self, lines: LogLines) -> None:
        texts = self._texts.setdefault(lines.submission_id, {})
        self._texts.move_to_end(lines.submission_id)
        texts[lines.fold] = (texts.get(lines.fold, "") + lines.text)[-MAX_CHARS:]
        while len(self._texts) > MAX_SUBMISSIONS:
            self._texts.popitem(last=False)
        for watcher in self._watchers.get(lines.submission_id, ()):
            if sum(len(each.text) for each in watcher.lines) < MAX_CHARS:
                watcher.lines.append(lines)
        self._wake(lines.submission_id)

    def _wake(self, submission_id: UUID) -> None:
        for watcher in self._watchers.get(submission_id, ()):
            watcher.wake()
