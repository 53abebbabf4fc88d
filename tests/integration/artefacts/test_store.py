"""The object store with each service's own key: what it holds is what the key says, and who may what."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from minio.error import S3Error

from shared.artefacts import Bucket, MissingArtefactError, Store, content_key, details_key

StoreOf = Callable[[str], Store]
CONTENT = b"some bytes"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def test_what_goes_in_comes_out(store_of: StoreOf, tmp_path: Path) -> None:
    store_of("ingest").put_bytes(Bucket.SUBMISSIONS, content_key(DIGEST), CONTENT)
    assert store_of("trainer-default").get_bytes(Bucket.SUBMISSIONS, content_key(DIGEST)) == CONTENT
    store_of("trainer-default").get_file(Bucket.SUBMISSIONS, content_key(DIGEST), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_an_object_that_is_not_there_is_told_from_a_store_that_is_away(store_of: StoreOf) -> None:
    with pytest.raises(MissingArtefactError):
        store_of("scorer").get_bytes(Bucket.PREPARED, content_key("0" * 64))


def test_an_object_that_somebody_overwrote_is_refused(store_of: StoreOf, tmp_path: Path) -> None:
    key = f"default/a-run/fold-0/{DIGEST}"
    store_of("trainer-default").put_bytes(Bucket.RUNS, key, b"other bytes")
    with pytest.raises(MissingArtefactError, match="other bytes"):
        store_of("scorer").get_bytes(Bucket.RUNS, key)
    with pytest.raises(MissingArtefactError):
        store_of("scorer").get_file(Bucket.RUNS, key, tmp_path / "file")
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("service", "bucket", "key"),
    [
        ("trainer-default", Bucket.PRIVATE, content_key(DIGEST)),
        ("trainer-default", Bucket.KITS, content_key(DIGEST)),
        ("ingest", Bucket.RUNS, f"default/run/fold-0/{DIGEST}"),
        ("leaderboard", Bucket.PRIVATE, content_key(DIGEST)),
        ("mailer", Bucket.PRIVATE, details_key(DIGEST)),
        ("mailer", Bucket.PREPARED, content_key(DIGEST)),
    ],
)
def test_a_service_may_not_read_what_it_has_no_use_for(store_of: StoreOf, service: str, bucket: Bucket, key: str) -> None:
    with pytest.raises(S3Error, match=r"AccessDenied|Access Denied"):
        store_of(service).get_bytes(bucket, key)


@pytest.mark.parametrize(
    ("service", "bucket", "key"),
    [
        ("trainer-default", Bucket.RUNS, f"other-pool/run/fold-0/{DIGEST}"),
        ("trainer-default", Bucket.PREPARED, content_key(DIGEST)),
        ("trainer-default", Bucket.SUBMISSIONS, content_key(DIGEST)),
        ("trainer-default", Bucket.PRIVATE, content_key(DIGEST)),
        ("leaderboard", Bucket.RUNS, f"default/run/log-0/{DIGEST}"),
        ("mailer", Bucket.RUNS, f"default/run/log-0/{DIGEST}"),
        ("scorer", Bucket.RUNS, f"default/run/fold-0/{DIGEST}"),
        ("scorer", Bucket.SUBMISSIONS, content_key(DIGEST)),
        ("ingest", Bucket.PREPARED, content_key(DIGEST)),
    ],
)
def test_a_service_may_not_write_where_it_has_no_business(store_of: StoreOf, service: str, bucket: Bucket, key: str) -> None:
    with pytest.raises(S3Error, match=r"AccessDenied|Access Denied"):
        store_of(service).put_bytes(bucket, key, CONTENT)
