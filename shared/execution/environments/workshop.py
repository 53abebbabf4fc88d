"""The folder in which uv works: its cache, kept from build to build, and a folder for each build.

Threads and processes may share it. Whoever builds holds the folder's lock shared; whoever tidies it holds it alone, so only
while nobody builds. The kernel drops locks of processes that die, and what they left is removed at the next tidying.
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.execution.cache import size_of

#: uv's cache is thrown away above so many files: a folder of more counts as an attack on the disk (`folder_exceeds`).
_MAX_CACHED_FILES = 400_000


class Build:
    """One build: what it is given in `/input`, and, made by uv, what it makes below `inside`. Gone at the end."""

    def __init__(self, workshop: Path, time_limit_s: float) -> None:
        name = secrets.token_hex(8)
        self.input = workshop / "inputs" / name
        self.uv_folder = workshop / "uv"
        self.folder = self.uv_folder / "builds" / name
        self.inside = f"/uv/builds/{name}"
        self._deadline = time.monotonic() + time_limit_s

    @property
    def time_left_s(self) -> float:
        """Of the seconds that all steps of the build have together; never nothing, so that a step may say that it was too long."""
        return max(self._deadline - time.monotonic(), 0.1)

    def give(self, name: str, content: str) -> None:
        """A file in `/input`."""
        (self.input / name).write_text(content)
        (self.input / name).chmod(0o644)


class Workshop:
    """Makes folders for builds. uv's cache in it holds at most `max_bytes` while nothing is built."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._discards = False

    @contextmanager
    def build(self, wheels: Sequence[Path], time_limit_s: float) -> Iterator[Build]:
        """Folders for one build, with copies of `wheels` in `/input/wheels`."""
        (self._folder / "uv").mkdir(parents=True, exist_ok=True)
        try:
            with self._lock(fcntl.LOCK_SH):
                build = Build(self._folder, time_limit_s)
                try:
                    _furnish(build, wheels)
                    yield build
                finally:
                    shutil.rmtree(build.input, ignore_errors=True)
                    shutil.rmtree(build.folder, ignore_errors=True)
        finally:
            self.tidy()

    def discard_cache(self) -> None:
        """Give uv's cache up at the next tidying, whatever its size: the disk is full."""
        self._discards = True

    def tidy(self) -> None:
        """Remove what dead builders left, and uv's cache if it has grown too large. Does nothing while somebody builds."""
        try:
            with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
                self._tidy()
        except BlockingIOError:
            return

    def used_bytes(self) -> int:
        """What uv's folder takes of the disk now: its cache, and builds that run."""
        return size_of(self._folder / "uv").disk_bytes

    def _tidy(self) -> None:
        uv = self._folder / "uv"
        shutil.rmtree(self._folder / "inputs", ignore_errors=True)
        shutil.rmtree(uv / "builds", ignore_errors=True)
        discarded = self._folder / "discarded"
        shutil.rmtree(discarded, ignore_errors=True)
        cached = size_of(uv)
        if self._discards or cached.disk_bytes > self._max_bytes or cached.files > _MAX_CACHED_FILES:
            # Whole, and out of sight first: of a package that is half removed, uv would install the other half.
            uv.rename(discarded)
            shutil.rmtree(discarded, ignore_errors=True)
            self._discards = False

    @contextmanager
    def _lock(self, kind: int) -> Iterator[None]:
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)


def _furnish(build: Build, wheels: Sequence[Path]) -> None:
    # Tidying may have taken the folder away since.
    build.uv_folder.mkdir(exist_ok=True)
    # Copied, and opened to the sandbox's user: the folder they are served from may be closed to it.
    for folder in (build.input, build.input / "wheels"):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    for wheel in wheels:
        shutil.copyfile(wheel, build.input / "wheels" / wheel.name)
        (build.input / "wheels" / wheel.name).chmod(0o644)
