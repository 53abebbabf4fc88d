"""The object store (S3): five buckets, and keys that end in the sha256 of what they hold.

A key that names its content makes a repeated upload harmless, and lets every reader check what it got: only what the
ledger names is ever read, so an object that somebody overwrote is noticed and refused.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import urllib3
from minio import Minio
from minio.error import S3Error

from shared.settings import StoreSettings

CHUNK = 1 << 20


class Bucket(StrEnum):
    """What is kept apart because different services may read it; `docs/architecture.md` has the table."""

    KITS = "kits"
    PRIVATE = "private"
    PREPARED = "prepared"
    SUBMISSIONS = "submissions"
    RUNS = "runs"


class MissingArtefactError(Exception):
    """The store does not hold this object, or holds other bytes than its key promises."""


def content_key(digest: str) -> str:
    """Key of an object that is known by its content alone."""
    return f"sha256/{digest}"


def details_key(digest: str) -> str:
    """Key, in bucket `private`, of what an organiser may read of a failure."""
    return f"details/{digest}"


def environment_key(name: str) -> str:
    """Key, in bucket `prepared`, of a note with the digest of the environment that was built from a lock. Not a content address."""
    return f"environments/{name}"


def predictions_key(pool: str, run_id: UUID, fold: int, digest: str) -> str:
    """Key, in bucket `runs`, of a fold's predictions."""
    return f"{pool}/{run_id}/fold-{fold}/{digest}"


def log_key(pool: str, run_id: UUID, fold: int, digest: str) -> str:
    """Key, in bucket `runs`, of a fold's log."""
    return f"{pool}/{run_id}/log-{fold}/{digest}"


def traceback_key(pool: str, run_id: UUID, digest: str) -> str:
    """Key, in bucket `runs`, of the traceback of a participant's code."""
    return f"{pool}/{run_id}/traceback/{digest}"


class Store:
    """A service's way to the object store, with its own key. Blocking: call it in a thread. Safe to share among threads."""

    def __init__(self, settings: StoreSettings) -> None:
        endpoint = settings.s3_endpoint
        self._minio = Minio(
            f"{endpoint.host}:{endpoint.port}",
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=endpoint.scheme == "https",
            region=settings.s3_region,
            # Callers retry whole pieces of work; here only what a moment mends. A store that is away must not hang a service.
            http_client=urllib3.PoolManager(
                maxsize=20, timeout=urllib3.Timeout(connect=3, read=60), retries=urllib3.Retry(total=2, backoff_factor=0.2)
            ),
        )

    def put_bytes(self, bucket: Bucket, key: str, content: bytes) -> None:
        """Store bytes. Durable when this returns; a second time changes nothing if the key names the content."""
        self._minio.put_object(bucket, key, io.BytesIO(content), len(content))

    def put_file(self, bucket: Bucket, key: str, path: Path) -> None:
        """Store a file, streamed."""
        self._minio.fput_object(bucket, key, str(path))

    def get_bytes(self, bucket: Bucket, key: str) -> bytes:
        """Read an object whole. Raises `MissingArtefactError` if it is not there or its bytes are not what the key names."""
        with self.stream(bucket, key) as chunks:
            content = b"".join(chunks)
        _check(key, hashlib.sha256(content).hexdigest())
        return content

    def get_file(self, bucket: Bucket, key: str, path: Path) -> None:
        """Read an object into a file. Raises `MissingArtefactError` as `get_bytes` does, and leaves no file then."""
        digest = hashlib.sha256()
        with self.stream(bucket, key) as chunks, path.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
        try:
            _check(key, digest.hexdigest())
        except MissingArtefactError:
            path.unlink()
            raise

    @contextmanager
    def stream(self, bucket: Bucket, key: str) -> Iterator[Iterator[bytes]]:
        """The bytes of an object in chunks, unchecked. Raises `MissingArtefactError` if it is not there."""
        try:
            response = self._minio.get_object(bucket, key)
        except S3Error as error:
            if error.code in {"NoSuchKey", "NoSuchBucket"}:
                raise MissingArtefactError(f"{bucket}/{key} is not in the object store") from error
            raise
        try:
            yield response.stream(CHUNK)
        finally:
            response.close()
            response.release_conn()

    def holds(self, bucket: Bucket, key: str) -> bool:
        """Whether the object is there, whatever its bytes are."""
        try:
            self._minio.stat_object(bucket, key)
        except S3Error as error:
            if error.code in {"NoSuchKey", "NoSuchBucket"}:
                return False
            raise
        return True

    def listed(self, bucket: Bucket) -> Iterator[tuple[str, int]]:
        """Each object's key and its size in bytes, a page at a time. Needs a key that may list, which no service has."""
        for found in self._minio.list_objects(bucket, recursive=True):
            if not found.is_dir:
                yield found.object_name, found.size

    def create_bucket(self, bucket: Bucket) -> None:
        """Make a bucket if it is missing. Needs a key that may."""
        if not self._minio.bucket_exists(bucket):
            self._minio.make_bucket(bucket)


def _check(key: str, digest: str) -> None:
    if key.rpartition("/")[2] != digest:
        raise MissingArtefactError(f"{key} holds other bytes than its name says: sha256 {digest}")
