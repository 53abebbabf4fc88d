"""Making a backup: a snapshot of the database first, the objects after it, the manifest last.

Dies anywhere: the backup has no name yet, so it is none; the next one removes what was begun and keeps the objects that came.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from shared.artefacts import Store
from shared.backup.folder import BackupFolder, OpenBackupFolder, open_folder
from shared.backup.ledger_rows import objects_named
from shared.backup.manifest import NAMED_AT_MOST, BackupTable, Manifest, name_of
from shared.backup.named import ObjectName
from shared.backup.objects import Copied, copy_objects
from shared.backup.tables import Head, copy_out, head_of, revisions, snapshot
from shared.backup.words import BackupError


@dataclass(frozen=True)
class MadeBackup:
    """A complete backup."""

    path: Path
    manifest: Manifest
    copied: Copied


def make_backup(owner: Engine, store: Store, path: Path) -> MadeBackup:
    """Make a backup in a folder; the second and later ones copy only objects that are new. Raises `BackupError`."""
    with owner.connect() as connection:
        platform = head_of(connection).platform
    with open_folder(path, platform) as folder:
        with snapshot(owner) as connection:
            made_at = datetime.now(UTC)
            head = head_of(connection)
            _continues(connection, head, folder)
            found = revisions(connection)
            tables = tuple(copy_out(connection, list(found), folder))
        # No transaction is open while objects are copied, which may take hours.
        copied = copy_objects(store, folder)
        missing = _missing(folder, tables)
        manifest = Manifest(
            release=version("palio-platform"),
            made_at=made_at,
            platform=head.platform,
            epoch=head.epoch,
            position=head.position,
            head_hash=head.hash,
            revisions=found,
            tables=tables,
            objects=copied.index,
            n_objects=copied.n_objects,
            objects_size=copied.size,
            n_missing=len(missing),
            missing=tuple(islice((f"{name.bucket}/{name.key}" for name in missing), NAMED_AT_MOST)),
        )
        return MadeBackup(folder.complete(manifest, name_of(made_at)), manifest, copied)


def _continues(connection: Connection, head: Head, folder: BackupFolder) -> None:
    """Refuse a ledger that is not the one of the newest backup, some events later: a test server's, say."""
    if not folder.names():
        return
    backup, newest = folder.backup()
    statement = text("SELECT encode(hash, 'hex') FROM ledger.events WHERE position = :position")
    if connection.execute(statement, {"position": newest.position}).scalar_one_or_none() != newest.head_hash:
        raise BackupError(
            f"this ledger, at position {head.position:,}, does not go on from backup {backup.name}, at {newest.position:,}: one of"
            " them is a copy that went its own way, or this one was restored from an earlier backup; use another folder"
        )


def _missing(folder: OpenBackupFolder, tables: tuple[BackupTable, ...]) -> list[ObjectName]:
    [events] = [each for each in tables if (each.schema_name, each.table) == ("ledger", "events")]
    named = objects_named(folder, folder.unfinished / "backup", events)
    return sorted({name for name in named if not folder.object(name.digest).is_file()})
