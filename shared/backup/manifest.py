"""What a backup says of itself: where in the ledger it stands, which files belong to it, and what they must hash to."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.backup.words import BackupError

MANIFEST = "manifest.json"
CHECKSUM = "manifest.sha256"
FORMAT = 1
#: So many missing objects are named; the rest are counted.
NAMED_AT_MOST = 1000

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: Files are named by us; a name with a slash would lead out of the backup.
FileName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,200}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackupFile(_Frozen):
    """A file of this backup alone."""

    name: FileName
    sha256: Digest
    size: int = Field(ge=0)


class BackupTable(BackupFile):
    """A table's rows: CSV as PostgreSQL writes it, compressed with zstd."""

    schema_name: str
    table: str
    columns: tuple[str, ...]
    rows: int = Field(ge=0)


class Manifest(_Frozen):
    """A backup as a whole."""

    format: int = FORMAT
    #: The platform's release that made it.
    release: str
    made_at: AwareDatetime
    #: The hash of the ledger's first event: no two platforms have the same.
    platform: Digest
    epoch: int
    #: Of the ledger's head.
    position: int = Field(ge=1)
    head_hash: Digest
    #: Each schema with the revision of its tables.
    revisions: dict[str, str]
    tables: tuple[BackupTable, ...]
    #: The list of objects: JSON lines, compressed with zstd.
    objects: BackupFile
    n_objects: int = Field(ge=0)
    objects_size: int = Field(ge=0)
    #: Objects that the ledger names and neither the store nor this folder held.
    n_missing: int = Field(ge=0)
    missing: tuple[str, ...] = Field(max_length=NAMED_AT_MOST)

    @property
    def files(self) -> tuple[BackupFile, ...]:
        """Every file but the manifest."""
        return (*self.tables, self.objects)

    def table(self, schema: str, table: str) -> BackupTable:
        """The file of a table."""
        for each in self.tables:
            if (each.schema_name, each.table) == (schema, table):
                return each
        raise BackupError(f"this backup holds no table {schema}.{table}: it is damaged; restore an earlier one")


def manifest_bytes(manifest: Manifest) -> tuple[bytes, bytes]:
    """The manifest's file, and the file with its checksum, as `sha256sum --check` reads it."""
    content = (json.dumps(json.loads(manifest.model_dump_json()), indent=1) + "\n").encode()
    return content, f"{hashlib.sha256(content).hexdigest()}  {MANIFEST}\n".encode()


def read_manifest(backup: Path) -> Manifest:
    """The manifest of a backup's folder. Raises `BackupError` if it is damaged, or of a later release."""
    try:
        content, checksum = (backup / MANIFEST).read_bytes(), (backup / CHECKSUM).read_text()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise BackupError(f"{backup.name} is damaged: {MANIFEST} or {CHECKSUM} is missing; take another backup of it") from error
    if checksum.split() != [hashlib.sha256(content).hexdigest(), MANIFEST]:
        raise BackupError(f"{backup.name} is damaged: {MANIFEST} is not what {CHECKSUM} says; take another backup of it")
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BackupError(f"{backup.name} was made by another release of Palio ({_release(found)}): use that one, or a later one")
    try:
        return Manifest.model_validate(found)
    except ValidationError as error:
        # Sound, and yet unknown fields: made by a release that says more.
        raise BackupError(f"{backup.name} was made by another release of Palio ({_release(found)}): use that one") from error


def name_of(made_at: datetime) -> str:
    """The name of a backup's folder: names sort by time."""
    return made_at.strftime("%Y%m%dT%H%M%S.%fZ")


def _release(found: object) -> str:
    return str(found.get("release", "unknown"))[:50] if isinstance(found, dict) else "unknown"
