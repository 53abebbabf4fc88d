"""All code of a challenge as one zip that is made while it is sent: no more than one submission is held, on disk.

Folders are named so that every file system takes them: letters, digits, `-` and `_` of ASCII, short, never a name that Windows keeps for
itself, and told apart by the beginning of an id. `index.csv` says which folder is whose.
"""

import re
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

from services.leaderboard.csv_text import csv_of
from services.leaderboard.grades import HandedIn
from services.leaderboard.zip_entries import zip_entry
from shared.artefacts import Bucket, MissingArtefactError, Store, content_key
from shared.artefacts.archives import ArchiveLimits, unpack

#: More than a submission may hold.
LIMITS = ArchiveLimits(max_bytes=2 * 2**30)
CHUNK_BYTES = 1 << 20
MAX_NAME = 40
#: Of an id, so many digits tell folders apart.
ID_DIGITS = 12


def zip_of(store: Store, submissions: Sequence[HandedIn]) -> Iterator[bytes]:
    """The zip, piece by piece. A bundle that the object store has lost is a file that says so."""
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_DEFLATED) as target:
        lines = [(folder_of(each), each.team, each.name, str(each.submission_id)) for each in submissions]
        target.writestr(zip_entry("index.csv"), csv_of(("folder", "team", "submission", "submission_id"), lines))
        for each in submissions:
            yield from _add(target, pieces, store, each)
            yield pieces.take()
    yield pieces.take()


def folder_of(submission: HandedIn) -> str:
    """Team and submission as two folders."""
    return f"{safe_name(submission.team, submission.team_id)}/{safe_name(submission.name, submission.submission_id)}"


def safe_name(name: str, id_: UUID) -> str:
    """What is left of a name, and the beginning of an id: no two are alike, also where a file system does not tell A from a."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", plain)[:MAX_NAME].strip("_-")
    return f"{plain or 'x'}-{id_.hex[:ID_DIGITS]}"


def _add(target: zipfile.ZipFile, pieces: "_Pieces", store: Store, submission: HandedIn) -> Iterator[bytes]:
    folder = folder_of(submission)
    with tempfile.TemporaryDirectory(prefix="palio-code-") as place:
        bundle, unpacked = Path(place) / "bundle.tar", Path(place) / "files"
        try:
            store.get_file(Bucket.SUBMISSIONS, content_key(submission.bundle_digest), bundle)
        except MissingArtefactError:
            target.writestr(zip_entry(f"{folder}/LOST.txt"), "The object store does not hold this submission's files any more.\n")
            return
        for name in sorted(unpack(bundle, unpacked, LIMITS)):
            with (
                (unpacked / name).open("rb") as source,
                target.open(zip_entry(f"{folder}/{name}"), "w", force_zip64=True) as file,
            ):
                while chunk := source.read(CHUNK_BYTES):
                    file.write(chunk)
                    yield pieces.take()


class _Pieces:
    """A file that can only be written to, and gives back what was."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def write(self, data: bytes) -> int:
        """Keep it until it is taken."""
        self._buffer += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits elsewhere."""

    def close(self) -> None:
        """Nothing to give back."""

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = bytes(self._buffer)
        self._buffer.clear()
        return taken
