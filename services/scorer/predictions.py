"""Predictions on this host: those of one run, and those of all candidates for a challenge's ensemble.

Fetched under the digests that the ledger names, and checked again as they come in: a trainer stored them, and may have stored anything.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from shared.artefacts import Bucket, MissingArtefactError, Store, predictions_key
from shared.execution.arrays import BadPredictionsError
from shared.execution.cache import Cache, TooLargeError
from shared.execution.held_folder import held_folder
from shared.execution.prepared import Manifest
from shared.execution.scoring import write_predictions
from shared.telemetry import get_logger

log = get_logger(__name__)

#: A fold's file is a tar of what the sandbox sent: a header for each array more.
PACKING_BYTES = 2**16


@dataclass(frozen=True)
class StoredRun:
    """Where the predictions of a trained run are, fold by fold, and how large one fold's may be."""

    run_id: UUID
    pool: str
    predictions_digests: tuple[str, ...]
    output_limit_bytes: int

    @property
    def digest(self) -> str:
        """Names the content of all folds together."""
        return hashlib.sha256(" ".join(self.predictions_digests).encode()).hexdigest()


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


class Members:
    """Predictions of candidates, kept in a cache of their own, laid out for the sandbox of one job. Safe among processes."""

    def __init__(self, store: Store, cache: Cache, work_folder: Path) -> None:
        """`work_folder`: on the cache's file system, so that a job's folder takes links."""
        self._store = store
        self._cache = cache
        self._work_folder = work_folder

    @contextmanager
    def laid_out(self, runs: Sequence[StoredRun], manifest: Manifest) -> Iterator[tuple[Path, frozenset[UUID]]]:
        """A folder with `<run>/<fold>/<part>.<array>.npy` for as long as the context lasts, and the runs that are in it.

        Only these runs: no sandbox sees another challenge's. A run whose predictions are not what the ledger names any more is left
        out: they were when it was scored, so the store has lost them, and the others need not wait for it. Blocking.
        """
        with held_folder(self._work_folder, "members-") as folder:
            # Read inside by another user than the one who made it.
            folder.chmod(0o755)
            yield folder, frozenset(run.run_id for run in runs if self._lay_out(folder, run, manifest))

    def _lay_out(self, folder: Path, run: StoredRun, manifest: Manifest) -> bool:
        def fetch(fetched: Path) -> None:
            fetched.mkdir()
            fetch_predictions(self._store, run, fetched)

        def unpack(fetched: Path, made: Path) -> None:
            made.mkdir()
            write_predictions([fetched / f"{fold}.tar" for fold in range(len(run.predictions_digests))], manifest, made)

        try:
            with self._cache.get(run.digest, fetch, unpack) as entry:
                # Linked, so that the lease on each of a thousand runs need not be held: what is evicted stays here until the end.
                shutil.copytree(entry, folder / str(run.run_id), copy_function=os.link)
        except (BadPredictionsError, TooLargeError) as error:
            log.error("predictions_left_out", run_id=str(run.run_id), reason=str(error))
            return False
        return True
