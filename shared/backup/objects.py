"""The object store's part: copied into the folder under its sha256, each object once for all backups, and put back from there.

Objects are uploaded before the ledger names them and never removed. So a listing that is made after the database's snapshot holds
all that the snapshot names. What a key promises is checked of each: an object that somebody overwrote is no part of a backup.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import uuid4

import zstandard

from shared.artefacts import Bucket, MissingArtefactError, Store
from shared.backup.folder import BackupFolder, OpenBackupFolder, PrivateFile
from shared.backup.manifest import BackupFile, Manifest
from shared.backup.named import DIGEST, ObjectName
from shared.backup.threads import in_threads
from shared.backup.words import Progress

#: Notes beside the content addresses: in bucket `prepared`, which environment was built from a lock. They hold a digest.
_NOTES = "environments/"
_NOTE_AT_MOST = 1024


class Became(StrEnum):
    """What became of an object in a backup."""

    COPIED = "copied"
    #: An earlier backup brought it.
    KNOWN = "known"
    NOTED = "noted"
    #: Its bytes are not what its key promises, or it is no key of ours.
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Listed:
    """An object as the store lists it."""

    name: ObjectName
    size: int


@dataclass
class Copied:
    """What became of all objects."""

    index: BackupFile
    n_objects: int = 0
    size: int = 0
    n_new: int = 0
    new_size: int = 0
    n_left_out: int = 0


def copy_objects(store: Store, folder: OpenBackupFolder) -> Copied:
    """Copy everything that the folder does not hold yet, and list everything in a file of the backup."""
    progress = Progress("objects looked at")
    with folder.unfinished_file("objects.jsonl.zst") as file:
        copied = Copied(BackupFile(name=file.path.name, sha256="0" * 64, size=0))
        with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as compressed:  # type: ignore[arg-type]
            looked_at = in_threads(lambda listed: _copy(store, folder, listed), _all(store))
            for number, (listed, became, note) in enumerate(looked_at, start=1):
                if became is Became.LEFT_OUT:
                    copied.n_left_out += 1
                else:
                    line = {"bucket": listed.name.bucket, "key": listed.name.key, **({} if note is None else {"note": note})}
                    compressed.write(json.dumps(line).encode() + b"\n")
                    copied.n_objects += 1
                    copied.size += listed.size
                if became is Became.COPIED:
                    copied.n_new += 1
                    copied.new_size += listed.size
                progress.done(number, copied.new_size)
    copied.index = BackupFile(name=file.path.name, sha256=file.sha256, size=file.size)
    return copied


def _all(store: Store) -> Iterator[Listed]:
    for bucket in Bucket:
        for key, size in store.listed(bucket):
            yield Listed(ObjectName(bucket, key), size)


def _copy(store: Store, folder: OpenBackupFolder, listed: Listed) -> tuple[Listed, Became, str | None]:
    name = listed.name
    # A note's key ends in 64 digits too, and they are not those of its content: known by its place.
    if _is_note(name) or not DIGEST.fullmatch(name.digest):
        note = _note(store, listed)
        return listed, Became.LEFT_OUT if note is None else Became.NOTED, note
    place = folder.object(name.digest)
    # Of another size: the one in the folder or the one in the store is not what the key says. The next lines find out which.
    if place.exists() and place.stat().st_size == listed.size:
        return listed, Became.KNOWN, None
    # The name of the part is ours: a trainer chooses keys, and two keys may end in the same digest.
    part = folder.unfinished / "objects" / uuid4().hex
    try:
        with store.stream(name.bucket, name.key) as chunks, PrivateFile(part) as file:
            for chunk in chunks:
                file.write(chunk)
    except MissingArtefactError:
        return listed, Became.LEFT_OUT, None
    if file.sha256 != name.digest:
        part.unlink()
        return listed, Became.LEFT_OUT, None
    folder.adopt(part, name.digest)
    return listed, Became.COPIED, None


def _is_note(name: ObjectName) -> bool:
    return name.bucket is Bucket.PREPARED and name.key.startswith(_NOTES)


def _note(store: Store, listed: Listed) -> str | None:
    if not _is_note(listed.name) or listed.size > _NOTE_AT_MOST:
        return None
    try:
        with store.stream(listed.name.bucket, listed.name.key) as chunks:
            return b"".join(chunks).decode()
    except (MissingArtefactError, UnicodeDecodeError):
        return None


def objects_listed(backup: Path, manifest: Manifest) -> Iterator[tuple[ObjectName, str | None]]:
    """Every object of a backup, and what it holds if it is a note."""
    with (backup / manifest.objects.name).open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as plain:
        for line in io.TextIOWrapper(plain, "utf-8"):
            found: dict[str, Any] = json.loads(line)
            yield ObjectName(Bucket(found["bucket"]), found["key"]), found.get("note")


def put_objects(store: Store, folder: BackupFolder, backup: Path, manifest: Manifest) -> int:
    """Put everything that a backup lists and the folder holds into a store; returns how many. A second call puts it again.

    Whatever stood under a key before: now it is what the backup holds.
    """

    def put(listed: tuple[ObjectName, str | None]) -> int:
        name, note = listed
        if note is not None:
            store.put_bytes(name.bucket, name.key, note.encode())
        elif not put_object(store, folder, name):
            return 0
        return 1

    for bucket in Bucket:
        store.create_bucket(bucket)
    progress, total = Progress("objects put back"), 0
    for count in in_threads(put, objects_listed(backup, manifest)):
        total += count
        progress.done(total)
    return total


def put_object(store: Store, folder: BackupFolder, name: ObjectName) -> bool:
    """Put one; False if the folder does not hold it, or holds other bytes."""
    path = folder.object(name.digest)
    if not is_sound(path, name.digest):
        return False
    store.put_file(name.bucket, name.key, path)
    return True


def is_sound(path: Path, digest: str) -> bool:
    """Whether a file is there and holds what it should."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return False


def missing_from(store: Store, folder: BackupFolder, named: Iterable[ObjectName]) -> Iterator[ObjectName | None]:
    """For each object that the ledger names: itself if neither the store nor the folder has it, else None.

    What the folder has and the list of the backup did not name, since the store had lost it by then, is put back here.
    """

    def look(name: ObjectName) -> ObjectName | None:
        return None if store.holds(name.bucket, name.key) or put_object(store, folder, name) else name

    return in_threads(look, named)
