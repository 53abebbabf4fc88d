"""What the ledger names in the object store: from events to buckets and keys. Pure.

A test holds that every event type with a digest in it is known here.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

from shared.artefacts import Bucket, content_key, details_key, log_key, predictions_key, traceback_key
from shared.events import (
    EVENT_TYPES,
    EnsembleComputed,
    EnsembleEvent,
    EnsembleFailed,
    Event,
    FoldTrained,
    ProblemPreparationFailed,
    ProblemPrepared,
    ProblemPublished,
    ScoreEvent,
    ScoringFailure,
    SubmissionUploaded,
    TrainingFinished,
    WorkRequest,
)

DIGEST = re.compile(r"[0-9a-f]{64}")


class ObjectName(NamedTuple):
    """An object's place. The key ends in the sha256 of what it holds."""

    bucket: Bucket
    key: str

    @property
    def digest(self) -> str:
        """The key's last part."""
        return self.key.rpartition("/")[2]


#: The bytes of a manifest in bucket `prepared`, by its digest; None if it is not there.
ReadManifest = Callable[[str], bytes | None]


class Names:
    """Reads a ledger from its first event on. What several events name comes several times."""

    #: Only these are worth reading.
    TYPES = frozenset(
        name
        for name, event_type in EVENT_TYPES.items()
        if issubclass(
            event_type,
            ProblemPublished
            | ProblemPrepared
            | ProblemPreparationFailed
            | SubmissionUploaded
            | WorkRequest
            | FoldTrained
            | TrainingFinished
            | ScoreEvent
            | ScoringFailure
            | EnsembleEvent,
        )
    )

    def __init__(self, read_manifest: ReadManifest) -> None:
        self._read_manifest = read_manifest
        #: Of each run under way: its objects lie below its pool's name, which only its requests and its end say.
        self._pools: dict[UUID, str] = {}

    def of(self, event: Event) -> Iterable[ObjectName]:
        """What this event names, and what the manifest that it names does."""
        match event:
            case ProblemPublished() | ProblemPrepared():
                yield from self._of_a_problem(event)
            case ProblemPreparationFailed() | ScoreEvent() | ScoringFailure() | EnsembleComputed() | EnsembleFailed():
                if event.detail_digest:
                    yield ObjectName(Bucket.PRIVATE, details_key(event.detail_digest))
            case SubmissionUploaded():
                yield ObjectName(Bucket.SUBMISSIONS, content_key(event.bundle_digest))
            case WorkRequest():
                # Bundle, manifest and environment are those of the submission and of its problem.
                self._pools[event.run_id] = event.pool
            # A fold of a run that nobody requested is none that a trainer could have stored.
            case FoldTrained() if pool := self._pools.get(event.run_id):
                yield ObjectName(Bucket.RUNS, predictions_key(pool, event.run_id, event.fold, event.predictions_digest))
                yield ObjectName(Bucket.RUNS, log_key(pool, event.run_id, event.fold, event.log_digest))
            case TrainingFinished():
                self._pools.pop(event.run_id, None)
                yield from _of_the_end(event)

    def _of_a_problem(self, event: ProblemPublished | ProblemPrepared) -> Iterator[ObjectName]:
        if isinstance(event, ProblemPublished):
            yield ObjectName(Bucket.KITS, content_key(event.kit_digest))
            if event.private_digest:
                yield ObjectName(Bucket.PRIVATE, content_key(event.private_digest))
            return
        yield ObjectName(Bucket.PRIVATE, content_key(event.labels_digest))
        manifest = self._read_manifest(event.manifest_digest)
        for digest in (event.manifest_digest, event.environment_digest, event.lock_digest, *digests_in(manifest)):
            yield ObjectName(Bucket.PREPARED, content_key(digest))


def _of_the_end(event: TrainingFinished) -> Iterator[ObjectName]:
    for fold, digest in enumerate(event.predictions_digests):
        yield ObjectName(Bucket.RUNS, predictions_key(event.pool, event.run_id, fold, digest))
    if event.log_digest and event.fold is not None:
        yield ObjectName(Bucket.RUNS, log_key(event.pool, event.run_id, event.fold, event.log_digest))
    if event.traceback_digest:
        yield ObjectName(Bucket.RUNS, traceback_key(event.pool, event.run_id, event.traceback_digest))


def digests_in(manifest: bytes | None) -> list[str]:
    """Every digest in a prepared problem's manifest, whatever its field: whoever adds a file need not know of this.

    Read as plain JSON, since the manifest's type needs what an operator's host may not have. Nothing for one that is none.
    """
    found: list[str] = []
    try:
        waiting: list[object] = [json.loads(manifest or b"{}")]
    except ValueError:
        return []
    while waiting:
        match waiting.pop():
            case str() as value if DIGEST.fullmatch(value):
                found.append(value)
            case dict() as fields:
                waiting.extend(fields.values())
            case list() as values:
                waiting.extend(values)
    return found
