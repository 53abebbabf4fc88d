"""The folder that holds a platform's backups: where what stands, and how it gets there so that half of it is never taken for all.

    palio-backups.json      whose backups these are
    objects/ab/ab12…        what the object store held, by its sha256, shared by all backups
    backups/<time>/         one backup: its tables, its list of objects, its manifest
    palio-unfinished/       what is being made; what an interrupted backup left there, the next one removes

Files are for their owner only: they hold keys of persons, and labels. A file is written beside, brought to the disk, and renamed;
a backup is renamed as a whole when all its files are on the disk, and so is complete once it has its name. Dies before: nothing
of it counts, and the objects that it brought are there for the next one. Dies after: it is complete.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from shared.backup.manifest import Manifest, manifest_bytes, read_manifest
from shared.backup.words import BackupError

_OWNER = "palio-backups.json"
_LOCK = "palio.lock"
_UNFINISHED = "palio-unfinished"
CHUNK = 1 << 20


class BackupFolder:
    """A folder of backups, for reading. Raises `BackupError` if it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / _OWNER).is_file():
            raise BackupError(f"{path} holds no backups of Palio: name the folder that was given to `palio backup`")
        try:
            self.platform = str(json.loads((path / _OWNER).read_bytes())["platform"])
        except (ValueError, KeyError, TypeError) as error:
            raise BackupError(f"{path / _OWNER} is damaged: it must say the platform's first hash, as manifests do") from error

    def names(self) -> list[str]:
        """The complete backups, oldest first."""
        folder = self.path / "backups"
        return sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []

    def backup(self, name: str | None = None) -> tuple[Path, Manifest]:
        """A backup and its manifest; the newest if none is named. Raises `BackupError`."""
        names = self.names()
        if not names:
            raise BackupError(f"{self.path} holds no complete backup: run palio backup {self.path}")
        if name is not None and name not in names:
            raise BackupError(f"{self.path} holds no backup {name}; there are: {', '.join(names)}")
        backup = self.path / "backups" / (name or names[-1])
        manifest = read_manifest(backup)
        if manifest.platform != self.platform:
            raise BackupError(f"{backup.name} is a backup of another platform than the others in {self.path}: keep them apart")
        return backup, manifest

    def object(self, digest: str) -> Path:
        """Where an object is, if it is there. `digest` must be one: 64 hexadecimal digits."""
        return self.path / "objects" / digest[:2] / digest


class OpenBackupFolder(BackupFolder):
    """The same for writing: by one process at a time."""

    unfinished: Path

    def unfinished_file(self, name: str) -> "PrivateFile":
        """A new file of the backup that is being made."""
        return PrivateFile(self.unfinished / "backup" / name)

    def adopt(self, part: Path, digest: str) -> None:
        """Give a file below `palio-unfinished`, which is on the disk, its place among the objects."""
        place = self.object(digest)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        part.replace(place)

    def complete(self, manifest: Manifest, name: str) -> Path:
        """Give the backup its manifest and its name; from here on it is complete."""
        made = self.unfinished / "backup"
        for file, content in zip(("manifest.json", "manifest.sha256"), manifest_bytes(manifest), strict=True):
            with PrivateFile(made / file) as opened:
                opened.write(content)
        # The names of its objects must be on the disk before it says that they are there.
        for folder in (*(self.path / "objects").iterdir(), self.path / "objects", made):
            _sync(folder)
        place = self.path / "backups" / name
        made.rename(place)
        _sync(place.parent)
        shutil.rmtree(self.unfinished)
        return place


@contextmanager
def open_folder(path: Path, platform: str) -> Iterator[OpenBackupFolder]:
    """The folder for a backup of a platform, made if it is missing, without what an interrupted backup left. Raises `BackupError`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Those two: a first backup that was interrupted before it could say whose this is.
    if not (path / _OWNER).exists() and any(each.name not in {_LOCK, _UNFINISHED} for each in path.iterdir()):
        raise BackupError(f"{path} is not empty and holds no backups of Palio: name an empty folder, or one that is not there")
    with os.fdopen(os.open(path / _LOCK, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as lock:
        try:
            # Freed by the kernel, however this process ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BackupError(f"another backup into {path} is being made; wait until it is done") from error
        unfinished = path / _UNFINISHED
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if not (path / _OWNER).exists():
            with PrivateFile(unfinished / _OWNER) as file:
                file.write(json.dumps({"platform": platform}).encode())
            (unfinished / _OWNER).rename(path / _OWNER)
            _sync(path)
        for each in (path / "objects", path / "backups", unfinished / "backup", unfinished / "objects"):
            each.mkdir(mode=0o700, exist_ok=True)
        folder = OpenBackupFolder(path)
        folder.unfinished = unfinished
        if folder.platform != platform:
            raise BackupError(f"{path} holds backups of another platform: name another folder")
        yield folder


class PrivateFile:
    """A new file for its owner only; on the disk when its context ends. Knows the sha256 and the size of what was written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of everything that was written so far."""
        return self._hash.hexdigest()

    def write(self, content: bytes) -> int:
        """Write all of it."""
        self._hash.update(content)
        self.size += len(content)
        self._file.write(content)
        return len(content)

    def __enter__(self) -> Self:
        """The file, open."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Bring it to the disk, unless it is half-written."""
        with self._file:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
