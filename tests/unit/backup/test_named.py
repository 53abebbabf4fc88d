"""What the ledger names in the object store."""

import hashlib
import json
from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from shared.artefacts import Bucket, content_key, details_key, log_key, predictions_key, traceback_key
from shared.backup.named import Names, ObjectName, digests_in
from shared.events import EVENT_TYPES, Event, FoldTrained, Outcome, TrainingFinished, TrainingRequested, WorkRequest
from shared.execution.prepared import Manifest
from tests.support.goldens import golden

NUMBERS = count(1)


def digest() -> str:
    """Another one at each call."""
    return hashlib.sha256(str(next(NUMBERS)).encode()).hexdigest()


def no_manifest(_digest: str) -> bytes | None:
    return None


def fields_with_digests(event_type: type[Event]) -> Iterator[str]:
    return (name for name in event_type.model_fields if "digest" in name)


def with_digests(name: str) -> tuple[Event, set[str]]:
    """The golden event with a digest of its own in every field that is for one, and these."""
    event = golden(name)
    changes: dict[str, Any] = {}
    for field in fields_with_digests(EVENT_TYPES[name]):
        changes[field] = (digest(), digest()) if field.endswith("s") else digest()
    if isinstance(event, TrainingFinished):
        changes["fold"] = 0
    changed = type(event).model_validate({**event.model_dump(), **changes})
    return changed, {
        each for value in changes.values() for each in ([value] if isinstance(value, str) else value or ()) if each != 0
    }


WITH_DIGESTS = sorted(name for name, event_type in EVENT_TYPES.items() if any(fields_with_digests(event_type)))


@pytest.mark.parametrize("name", WITH_DIGESTS)
def test_every_digest_in_an_event_names_an_object(name: str) -> None:
    event, digests = with_digests(name)
    names = Names(no_manifest)
    if isinstance(event, FoldTrained):
        list(names.of(golden("TrainingRequested").model_copy(update={"run_id": event.run_id})))
    found = {each.digest for each in names.of(event)}
    # Requests repeat what the submission and its problem have named.
    assert found == (set() if isinstance(event, WorkRequest) else digests)
    assert name in Names.TYPES


def test_no_event_hides_a_digest_in_a_field_of_another_name() -> None:
    hidden = {
        name: [
            value
            for field, value in golden(name).model_dump(mode="json").items()
            if "digest" not in field and digests_in(json.dumps(value).encode())
        ]
        for name in EVENT_TYPES
    }
    assert {name: values for name, values in hidden.items() if values} == {}


def test_objects_of_a_run_lie_where_its_trainers_put_them() -> None:
    names, run_id, digests = Names(no_manifest), uuid4(), [digest() for _ in range(6)]
    requested = golden("TrainingRequested").model_copy(update={"run_id": run_id, "pool": "gpu"})
    assert isinstance(requested, TrainingRequested)
    trained = golden("FoldTrained").model_copy(
        update={"run_id": run_id, "fold": 3, "predictions_digest": digests[0], "log_digest": digests[1]}
    )
    finished = golden("TrainingFinished").model_copy(
        update={
            "run_id": run_id,
            "pool": "gpu",
            "outcome": Outcome.TRAIN_ERROR,
            "fold": 2,
            "traceback_digest": digests[2],
            "log_digest": digests[3],
            "predictions_digests": (digests[4], digests[5]),
        }
    )
    found = [each for event in (requested, trained, finished) for each in names.of(event)]
    assert found == [
        (Bucket.RUNS, predictions_key("gpu", run_id, 3, digests[0])),
        (Bucket.RUNS, log_key("gpu", run_id, 3, digests[1])),
        (Bucket.RUNS, predictions_key("gpu", run_id, 0, digests[4])),
        (Bucket.RUNS, predictions_key("gpu", run_id, 1, digests[5])),
        (Bucket.RUNS, log_key("gpu", run_id, 2, digests[3])),
        (Bucket.RUNS, traceback_key("gpu", run_id, digests[2])),
    ]


def test_a_failure_names_what_its_organiser_may_read() -> None:
    detail = digest()
    for name in ("ProblemPreparationFailed", "ScoringFailed"):
        event = golden(name).model_copy(update={"detail_digest": detail})
        assert list(Names(no_manifest).of(event)) == [ObjectName(Bucket.PRIVATE, details_key(detail))]
        assert list(Names(no_manifest).of(event.model_copy(update={"detail_digest": None}))) == []


def test_what_a_manifest_names_is_named_too() -> None:
    manifest = Manifest.model_validate(
        {
            "title": "a problem",
            "elements": ["classifier.py"],
            "metrics": [{"name": "acc", "precision": 2, "is_lower_the_better": False, "minimum": 0, "maximum": 1}],
            "score_kind": "bag",
            "n_folds": 2,
            "n_train": 3,
            "n_test": 1,
            "predictions": {"is_ragged": False, "shape": [2], "type": "Predictions"},
            "kit": digest(),
            "x_train": digest(),
            "x_test": digest(),
            "folds": [digest(), digest()],
            "shown": ["images"],
            "shown_folders": digest(),
            "environment": digest(),
            "python_version": "3.11",
        }
    )
    named = {manifest.kit, manifest.x_train, manifest.x_test, *manifest.folds, manifest.shown_folders, manifest.environment}
    assert set(digests_in(manifest.model_dump_json().encode())) == named
    prepared = golden("ProblemPrepared")
    found = set(Names(lambda _digest: manifest.model_dump_json().encode()).of(prepared))
    assert {ObjectName(Bucket.PREPARED, content_key(str(each))) for each in named} < found


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"[1, {}]", b'"abc"'])
def test_what_is_no_manifest_names_nothing(content: bytes | None) -> None:
    assert digests_in(content) == []
