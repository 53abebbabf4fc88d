"""A backup's ledger, read from its file: the chain checked, and the objects that it names."""

import csv
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import zstandard

from shared.backup.folder import BackupFolder
from shared.backup.manifest import BackupTable
from shared.backup.named import Names, ObjectName
from shared.backup.words import BackupError, Progress
from shared.events import Event, Metadata, NewerVersionError, RecordedEvent
from shared.ledger.chain import HASHED, leaf_of

Row = dict[str, str]


@contextmanager
def rows_of(folder: Path, table: BackupTable) -> Iterator[Iterator[Row]]:
    """A table's rows, as text by column; none of them may be null, which CSV here can't say."""
    # An event may be longer than the 128 KiB that Python expects of a field.
    csv.field_size_limit(sys.maxsize)
    with (folder / table.name).open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as plain:
        # newline="": a line's end inside a field stays as it is.
        yield (dict(zip(table.columns, row, strict=True)) for row in csv.reader(io.TextIOWrapper(plain, "utf-8", newline="")))


def leaf_of_row(row: Row) -> bytes:
    """The leaf of a row of `ledger.events`."""
    recorded_at = datetime.fromisoformat(row["recorded_at"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    hashed = {**row, "recorded_at": recorded_at}
    return leaf_of(bytes_of(row["salt"]), (hashed[name] for name in HASHED))


def bytes_of(column: str) -> bytes:
    """A column of bytes, as PostgreSQL writes it."""
    return bytes.fromhex(column.removeprefix("\\x"))


def objects_named(folder: BackupFolder, backup: Path, events: BackupTable) -> Iterator[ObjectName]:
    """What the ledger of a backup names in the object store, in order; manifests of problems are read from the folder.

    Raises `BackupError` for an event of a later release.
    """

    def read_manifest(digest: str) -> bytes | None:
        path = folder.object(digest)
        return path.read_bytes() if path.is_file() else None

    names = Names(read_manifest)
    progress = Progress("events read")
    with rows_of(backup, events) as rows:
        for number, row in enumerate(rows, start=1):
            if row["type"] in Names.TYPES:
                yield from names.of(_event_of(row))
            progress.done(number)


def _event_of(row: Row) -> Event:
    recorded = RecordedEvent(
        position=int(row["position"]),
        epoch=0,
        id=UUID(row["id"]),
        stream=row["stream"],
        version=int(row["version"]),
        type=row["type"],
        schema_version=int(row["schema_version"]),
        data=row["data"],
        metadata=Metadata.model_validate_json(row["metadata"]),
        recorded_at=datetime.fromisoformat(row["recorded_at"]),
    )
    try:
        return recorded.event()
    except NewerVersionError as error:
        raise BackupError(f"{error}; this command too") from error
