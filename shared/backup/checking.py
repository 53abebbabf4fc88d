"""Checking a backup without restoring it: every file and object against its sha256, the ledger against its chain."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path

from shared.backup.folder import BackupFolder
from shared.backup.ledger_rows import bytes_of, leaf_of_row, objects_named, rows_of
from shared.backup.manifest import Manifest
from shared.backup.named import ObjectName
from shared.backup.objects import is_sound, objects_listed
from shared.backup.threads import in_threads
from shared.backup.words import Progress
from shared.ledger.chain import GENESIS


@dataclass(frozen=True)
class Findings:
    """What is wrong with a backup, each in words; nothing if it is sound."""

    database: tuple[str, ...]
    #: Objects that are damaged or missing, and what names them.
    objects: tuple[str, ...]


def check_backup(folder: BackupFolder, backup: Path, manifest: Manifest) -> Findings:
    """Read all of a backup. Raises `BackupError` for a ledger of a later release."""
    damaged = tuple(_files(backup, manifest))
    if damaged:
        return Findings(damaged, ())
    return Findings(tuple(_ledger(backup, manifest)), tuple(_objects(folder, backup, manifest)))


def _files(backup: Path, manifest: Manifest) -> Iterator[str]:
    progress, size = Progress("files checked"), 0
    for number, file in enumerate(manifest.files, start=1):
        path = backup / file.name
        if not is_sound(path, file.sha256):
            yield f"{file.name} is {'damaged' if path.exists() else 'missing'}"
        size += file.size
        progress.done(number, size)


def _ledger(backup: Path, manifest: Manifest) -> Iterator[str]:
    position, previous = 0, GENESIS
    progress = Progress("events checked")
    with rows_of(backup, manifest.table("ledger", "events")) as rows:
        for position, row in enumerate(rows, start=1):
            previous = sha256(previous + leaf_of_row(row)).digest()
            if int(row["position"]) != position or bytes_of(row["hash"]) != previous:
                yield f"the ledger's chain breaks at position {position:,}"
                return
            progress.done(position)
    if (position, previous.hex()) != (manifest.position, manifest.head_hash):
        yield f"the ledger does not end at position {manifest.position:,} with the hash that the manifest says"


def _objects(folder: BackupFolder, backup: Path, manifest: Manifest) -> Iterator[str]:
    listed = (name for name, note in objects_listed(backup, manifest) if note is None)
    named = objects_named(folder, backup, manifest.table("ledger", "events"))
    progress = Progress("objects checked")
    #: An object is read once, however many name it.
    seen: set[bytes] = set()

    def once() -> Iterator[ObjectName]:
        for name in chain(listed, named):
            if (digest := bytes.fromhex(name.digest)) not in seen:
                seen.add(digest)
                yield name

    def look(name: ObjectName) -> str | None:
        path = folder.object(name.digest)
        if is_sound(path, name.digest):
            return None
        return f"{path.relative_to(folder.path)} is {'damaged' if path.exists() else 'missing'}: {name.bucket}/{name.key}"

    for number, found in enumerate(in_threads(look, once()), start=1):
        if found is not None:
            yield found
        progress.done(number)
