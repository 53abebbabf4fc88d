"""Artefacts in the object store: buckets, keys by content, and the archives that carry them."""

from shared.artefacts.store import (
    Bucket,
    MissingArtefactError,
    Store,
    content_key,
    details_key,
    environment_key,
    log_key,
    predictions_key,
    traceback_key,
)

__all__ = [
    "Bucket",
    "MissingArtefactError",
    "Store",
    "content_key",
    "details_key",
    "environment_key",
    "log_key",
    "predictions_key",
    "traceback_key",
]
