"""A cache of artefacts on this host, by the digest of their content: files as they are, archives unpacked.

Shared by threads and processes. Each entry has a lock file: whoever uses the entry holds it shared, whoever makes or evicts it
holds it alone. The kernel drops locks when a process dies, so nothing is left locked; what it was making is left under a
name that no reader looks for, and is made anew.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Counter

from shared.artefacts.archives import ArchiveError, ArchiveTooLargeError
from shared.telemetry import get_logger

log = get_logger(__name__)

REQUESTS = Counter("palio_cache_requests_total", "Artefacts asked of the cache of this host", ["result"])

#: End of the name of the folder in which an entry is made.
_MAKING = ".making"
#: What `st_blocks` counts, whatever the file system's own blocks are.
_BLOCK_BYTES = 512


class TooLargeError(ArchiveError):
    """An artefact alone is larger than the cache may become. The message says what it takes, and what to change."""


class Cache:
    """Entries below `folder`, up to `max_bytes` in all; the least recently used that nobody uses is evicted above that.

    What is in use stays, so that for as long as it is, all together may take more.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    @contextmanager
    def get(
        self, digest: str, fetch: Callable[[Path], None], unpack: Callable[[Path, Path], object] | None = None
    ) -> Iterator[Path]:
        """The artefact's file, or with `unpack` its folder; there, and not evicted, for as long as the context lasts.

        `fetch` writes the file and checks it against the digest; `unpack` makes a folder of it. Both are called only if the
        artefact is not here, and what they raise passes through, leaving nothing behind. Raises `TooLargeError`.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        name = digest if unpack is None else f"{digest}.unpacked"
        entry = self._folder / name
        with self._lock(name, fcntl.LOCK_SH) as lock:
            REQUESTS.labels("hit" if entry.exists() else "miss").inc()
            # Changing a lock gives it up for a moment, in which others make the entry or evict it: look again after each change.
            while not entry.exists():
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not entry.exists():
                    self._make(entry, lock, fetch, unpack)
                    self._evict(keep=name)
                fcntl.flock(lock, fcntl.LOCK_SH)
            # The lock file's time says when the entry was last used.
            os.utime(lock)
            yield entry

    @contextmanager
    def _lock(self, name: str, kind: int) -> Iterator[int]:
        descriptor = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind)
            yield descriptor
        finally:
            os.close(descriptor)

    def _make(self, entry: Path, lock: int, fetch: Callable[[Path], None], unpack: Callable[[Path, Path], object] | None) -> None:
        making = entry.with_name(entry.name + _MAKING)
        # Left by a maker that died: nobody else makes this entry, since the lock is ours.
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        try:
            fetched, made = making / "fetched", making / "unpacked"
            fetch(fetched)
            if unpack is None:
                made = fetched
            else:
                try:
                    unpack(fetched, made)
                except ArchiveTooLargeError as error:
                    raise self._too_large(str(error)) from error
            size = size_of(made).bytes
            if size > self._max_bytes:
                raise self._too_large(f"it takes {size:,} bytes")
            _make_readable(made)
            # Before anybody sees the entry: walking through all of a large cache for each small entry would take seconds.
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(size).encode(), 0)
            # Whole or not at all: a reader never sees half an entry.
            made.rename(entry)
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _too_large(self, words: str) -> TooLargeError:
        return TooLargeError(f"{words}; the cache here may hold {self._max_bytes:,} (PALIO_CACHE_MAX_BYTES)")

    def _evict(self, keep: str) -> None:
        names = [path.name for path in self._folder.iterdir() if not path.name.endswith(".lock")]
        for name in names:
            if name.endswith(_MAKING):
                # Nobody holds its lock: its maker, or evictor, died.
                self._evict_unless_used(name.removesuffix(_MAKING), only_making=True)
        sizes = {name: self._size(name) for name in names if not name.endswith(_MAKING)}
        total = sum(sizes.values())
        for name in sorted(sizes, key=self._last_used):
            if total <= self._max_bytes:
                return
            if name != keep and self._evict_unless_used(name):
                total -= sizes[name]
        if total > self._max_bytes:
            log.warning("cache_is_full", bytes=total, max_bytes=self._max_bytes)

    def _size(self, name: str) -> int:
        try:
            return int((self._folder / f"{name}.lock").read_text())
        except (FileNotFoundError, ValueError):
            return size_of(self._folder / name).bytes

    def _last_used(self, name: str) -> float:
        lock = self._folder / f"{name}.lock"
        return lock.stat().st_mtime if lock.exists() else 0.0

    def _evict_unless_used(self, name: str, *, only_making: bool = False) -> bool:
        descriptor = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            entry = self._folder / name
            making = entry.with_name(name + _MAKING)
            shutil.rmtree(making, ignore_errors=True)
            if entry.exists() and not only_making:
                # Out of readers' sight at once: a death in the middle must not leave half an entry that looks whole.
                making.mkdir()
                entry.rename(making / "evicted")
                shutil.rmtree(making, ignore_errors=True)
            return True
        finally:
            os.close(descriptor)


def _make_readable(made: Path) -> None:
    """Let the sandbox's own user read it; nobody writes to it again."""
    for path in [made, *made.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o555 if executable and not path.is_dir() else 0o755 if path.is_dir() else 0o444)


@dataclass(frozen=True)
class Size:
    """What a file, or all files below a folder, come to: bytes in them, bytes they take on the disk, and their number."""

    bytes: int = 0
    disk_bytes: int = 0
    files: int = 0


def size_of(path: Path) -> Size:
    """The size of a file or folder; links are not followed, and what goes away meanwhile counts nothing."""
    content, disk, files = 0, 0, 0
    for status in _files_of(path):
        content, disk, files = content + status.st_size, disk + status.st_blocks * _BLOCK_BYTES, files + 1
    return Size(content, disk, files)


def _files_of(path: Path) -> Iterator[os.stat_result]:
    paths = (os.path.join(parent, name) for parent, _, names in os.walk(path) for name in names)  # noqa: PTH118 - many
    for file in paths if path.is_dir() else (str(path),):
        with suppress(FileNotFoundError):
            yield os.lstat(file)
