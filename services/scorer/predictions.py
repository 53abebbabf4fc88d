"""Predictions on this host: those of one run, and those of all candidates for a challenge's ensemble.

Fetched under the digests that the ledger names, and checked again as they come in: a trainer stored them, and may have stored anything.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from shared.artefacts import Bucket, MissingArtefactError, Store, predictions_key
from shared.execution.arrays import BadPredictionsError
from shared.execution.prepared import Manifest
from shared.execution.scoring import write_predictions
from shared.telemetry import get_logger

log = get_logger(__name__)

#: A fold's file is a tar of what the sandbox sent: a header for each array more.
PACKING_BYTES = 2**16
_MAKING = "making-"
#: How much a challenge's folder holds, which nobody wants to add up again and again.
_SIZE_FILE = "bytes"


@dataclass(frozen=True)
class StoredRun:
    """Where the predictions of a trained run are, fold by fold, and how large one fold's may be."""

    run_id: UUID
    pool: str
    predictions_digests: tuple[str, ...]
    output_limit_bytes: int


def fetch_predictions(store: Store, run: StoredRun, folder: Path) -> list[Path]:
    """The files of a run's folds, in their order. Raises `BadPredictionsError` for what is missing, too large or not of its digest."""
    paths = []
    for fold, digest in enumerate(run.predictions_digests):
        path = folder / f"{fold}.tar"
        key = predictions_key(run.pool, run.run_id, fold, digest)
        try:
            with store.stream(Bucket.RUNS, key) as chunks:
                copy_bounded(chunks, path, digest, run.output_limit_bytes + PACKING_BYTES)
        except MissingArtefactError as error:
            raise BadPredictionsError("they are not in the object store") from error
        paths.append(path)
    return paths


def copy_bounded(chunks: Iterable[bytes], path: Path, digest: str, max_bytes: int) -> None:
    """Write a file while it arrives. Raises `BadPredictionsError` above `max_bytes`, or if the bytes are not those of the digest."""
    seen, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > max_bytes:
                raise BadPredictionsError(f"they have more than the {max_bytes:,} bytes that a fold may send")
            seen.update(chunk)
            file.write(chunk)
    if seen.hexdigest() != digest:
        raise BadPredictionsError("they are not those that the trainer said it had stored")


class MembersFolder:
    """Predictions of candidates, laid out for the sandbox: `<challenge>/<run>/<fold>/<part>.<array>.npy`.

    A challenge's folder is shown whole to sandboxes of its own kit, and to no other. Up to `max_bytes` in all: above, the folders of the
    challenges that were used least recently go, unless somebody uses them.
    """

    def __init__(self, root: Path, store: Store, max_bytes: int) -> None:
        self._root = root
        self._store = store
        self._max_bytes = max_bytes

    @contextmanager
    def holding(self, challenge_id: str, runs: Sequence[StoredRun], manifest: Manifest) -> Iterator[tuple[Path, frozenset[UUID]]]:
        """The challenge's folder, with the predictions of these runs in it for as long as the context lasts, and whose they are.

        A run whose predictions are not what the ledger names any more is left out: they were when it was scored, so the store has lost
        them, and the others need not wait for it. Blocking. One caller a challenge at a time.
        """
        folder = self._root / challenge_id
        folder.mkdir(parents=True, exist_ok=True)
        self._root.chmod(0o755)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            # Used now: what was used least recently goes first.
            os.utime(folder)
            there, added = set(), 0
            for run in runs:
                if (folder / str(run.run_id)).is_dir():
                    there.add(run.run_id)
                    continue
                try:
                    added += self._add(folder, run, manifest)
                    there.add(run.run_id)
                except BadPredictionsError as error:
                    log.error("predictions_lost", run_id=str(run.run_id), challenge=challenge_id, reason=str(error))
            if added:
                (folder / _SIZE_FILE).write_text(str(_size_of(folder) + added))
                self._evict(but=folder)
            yield folder, frozenset(there)
        finally:
            os.close(descriptor)

    def _add(self, folder: Path, run: StoredRun, manifest: Manifest) -> int:
        """Bytes that were added. Made under another name, so that a folder of a run is whole."""
        made = Path(tempfile.mkdtemp(prefix=_MAKING, dir=folder))
        try:
            with tempfile.TemporaryDirectory(prefix="palio-members-") as fetched:
                write_predictions(fetch_predictions(self._store, run, Path(fetched)), manifest, made)
            made.chmod(0o755)
            size = 0
            for path in made.rglob("*"):
                # Read inside by another user than the one who made it.
                path.chmod(0o755 if path.is_dir() else 0o644)
                size += path.stat().st_size
            made.rename(folder / str(run.run_id))
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return size

    def _evict(self, *, but: Path) -> None:
        others = sorted(
            (path for path in self._root.iterdir() if path.is_dir() and path != but), key=lambda path: path.stat().st_mtime
        )
        held = _size_of(but) + sum(map(_size_of, others))
        for folder in others:
            if held <= self._max_bytes:
                return
            size = _size_of(folder)
            if _remove_unless_used(folder):
                held -= size


def _size_of(folder: Path) -> int:
    try:
        return int((folder / _SIZE_FILE).read_text())
    except (OSError, ValueError):
        return 0


def _remove_unless_used(folder: Path) -> bool:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            return True
        finally:
            os.close(descriptor)
    return False
