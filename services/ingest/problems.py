"""Publishing a problem: its archives are checked, stored by content, and recorded; the scorer prepares it."""

import re
import tempfile
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import Engine, text

from shared.artefacts import Bucket, Store, content_key
from shared.artefacts.archives import ArchiveError, ArchiveLimits, pack_folder, unpack
from shared.events import Metadata, ProblemPublished
from shared.http import Problem
from shared.ledger import NewEvent, append

PYTHON_VERSION = re.compile(r"3\.(8|9|1[0-9])")
COPY_CHUNK = 1 << 20


@dataclass(frozen=True)
class ProblemUpload:
    """What an organiser sends. Archives are tar (plain, gzip, zstd) or zip; `private` is None where the kit holds all data."""

    problem_id: str
    kit: BinaryIO
    private: BinaryIO | None
    requirements: str | None
    python_version: str | None
    as_of: str | None
    label_free_folders: tuple[str, ...]


@dataclass(frozen=True)
class PublishedProblem:
    """A version of a problem, and the ledger position at which it is published."""

    problem_id: str
    version: int
    position: int


def publish_problem(
    engine: Engine, store: Store, upload: ProblemUpload, organiser_id: UUID, max_unpacked_bytes: int
) -> PublishedProblem:
    """Store both archives, then record the publication: a death in between leaves objects that nothing names.

    Raises `Problem`: 422 for an archive that can't be taken, 409 if the id is another organiser's.
    """
    if upload.python_version is not None and not PYTHON_VERSION.fullmatch(upload.python_version):
        raise _unprocessable("bad-python-version", f"{upload.python_version} is not a Python version such as 3.11.")
    limits = ArchiveLimits(max_bytes=max_unpacked_bytes)
    with tempfile.TemporaryDirectory(prefix="palio-publish-") as folder:
        kit_digest = _store_archive(store, Bucket.KITS, upload.kit, Path(folder) / "kit", limits, must_hold="problem.py")
        private_digest = None
        if upload.private is not None:
            private_digest = _store_archive(store, Bucket.PRIVATE, upload.private, Path(folder) / "private", limits)
    with engine.begin() as connection:
        row = connection.execute(
            text(
                "INSERT INTO problems AS p (problem_id, organiser_id, version) VALUES (:problem_id, :organiser_id, 1)"
                " ON CONFLICT (problem_id) DO UPDATE SET version = p.version + 1 WHERE p.organiser_id = excluded.organiser_id"
                " RETURNING version"
            ),
            {"problem_id": upload.problem_id, "organiser_id": organiser_id},
        ).one_or_none()
        if row is None:
            detail = f"The problem {upload.problem_id} belongs to another organiser. Choose another id."
            raise Problem(HTTPStatus.CONFLICT, "problem-taken", detail)
        published = ProblemPublished(
            problem_id=upload.problem_id,
            version=row.version,
            organiser_id=organiser_id,
            kit_digest=kit_digest,
            private_digest=private_digest,
            requirements=upload.requirements,
            python_version=upload.python_version,
            as_of=upload.as_of,
            label_free_folders=upload.label_free_folders,
        )
        metadata = Metadata(correlation_id=f"problem-{upload.problem_id}-{row.version}", actor_id=organiser_id)
        position = append(connection, [NewEvent(published, metadata)]).position
    return PublishedProblem(upload.problem_id, row.version, position)


def _store_archive(
    store: Store, bucket: Bucket, archive: BinaryIO, folder: Path, limits: ArchiveLimits, must_hold: str | None = None
) -> str:
    """Unpack what a stranger made, and store it packed our way: whoever reads it later meets one known format. Returns the digest."""
    folder.mkdir()
    received, packed = folder / "received", folder / "packed.tar"
    with received.open("wb") as file:
        while chunk := archive.read(COPY_CHUNK):
            file.write(chunk)
    try:
        names = unpack(received, folder / "unpacked", limits)
    except ArchiveError as error:
        what = "kit" if bucket is Bucket.KITS else "private data"
        raise _unprocessable("bad-archive", f"The {what} archive can't be used: {error}") from error
    if must_hold is not None and must_hold not in names:
        raise _unprocessable(
            "bad-archive", f"The kit archive has no {must_hold} at its root. Pack the folder's contents, not the folder."
        )
    digest = pack_folder(folder / "unpacked", packed)
    store.put_file(bucket, content_key(digest), packed)
    return digest


def _unprocessable(code: str, detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, code, detail)
