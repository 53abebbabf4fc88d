"""A trainer that was broken into, at the object store and the database: its key and its words open nothing that is another's.

What it can do all the same stands in docs/security.md, "What a trainer could do if it were broken into".
"""

import hashlib
import json
import urllib.parse
from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import UUID

import httpx
import psycopg2
import pytest
from minio import Minio
from minio.commonconfig import ComposeSource, CopySource
from minio.credentials import Credentials
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.signer import _sign_v4
from minio.time import to_amz_date, utcnow

from deploy.local.stack import Stack
from shared.artefacts import Bucket
from shared.migrations.roles import SERVICES, role_of
from shared.runs import run_id_of
from tests.attack.arena import Arena
from tests.support.people import followed
from tests.support.reading import minio_of
from tests.support.waiting import wait_until

LIAR = "trainer-default"
REFUSED = r"(?i)access.?denied"


@pytest.fixture(scope="module")
def key(platform: Stack) -> Minio:
    """The object store with the key of pool `default`."""
    return minio_of(platform, LIAR)


@pytest.fixture(scope="module")
def things(platform: Stack, others_submission: str) -> dict[str, str]:
    """An object in each bucket; that in `runs` is another pool's."""
    everything = minio_of(platform, "operator")
    run = f"unserved/{run_id_of(UUID(others_submission))}/fold-0/{'a' * 64}"
    everything.put_object(Bucket.RUNS, run, BytesIO(b"others"), 6)
    found = {str(bucket): str(next(everything.list_objects(bucket, recursive=True)).object_name) for bucket in Bucket}
    return {**found, str(Bucket.RUNS): run}


def test_it_can_not_read_labels_kits_or_any_run(key: Minio, things: dict[str, str], platform: Stack) -> None:
    everything = minio_of(platform, "operator")
    asked = 0
    for bucket in (Bucket.PRIVATE, Bucket.KITS, Bucket.RUNS):
        for found in everything.list_objects(bucket, recursive=True):
            name = str(found.object_name)
            asked += 1
            for attempt in (key.get_object, key.stat_object):
                with pytest.raises(S3Error, match=REFUSED):
                    attempt(bucket, name)
    assert asked > 10
    for bucket in (Bucket.PRIVATE, Bucket.KITS):
        for copy in (
            lambda bucket: key.copy_object(Bucket.RUNS, "default/stolen", CopySource(bucket, things[bucket])),
            lambda bucket: key.compose_object(Bucket.RUNS, "default/stolen", [ComposeSource(bucket, things[bucket])]),
        ):
            with pytest.raises(S3Error, match=REFUSED):
                copy(bucket)
        address = key.presigned_get_object(bucket, things[bucket])
        assert httpx.get(address).status_code == 403


def test_it_can_not_list_anything(key: Minio) -> None:
    assert [bucket.name for bucket in key.list_buckets()] == []
    for bucket in Bucket:
        for prefix in ("", "sha256/", "default/", "unserved/"):
            with pytest.raises(S3Error, match=REFUSED):
                list(key.list_objects(bucket, prefix, recursive=True))


def test_it_can_not_write_or_remove_what_is_others(key: Minio, things: dict[str, str], platform: Stack) -> None:
    everything = minio_of(platform, "operator")
    before = {bucket: everything.stat_object(bucket, name).etag for bucket, name in things.items()}
    for bucket, name in things.items():
        attempts: dict[str, Callable[[], object]] = {
            "overwrite": lambda bucket=bucket, name=name: key.put_object(bucket, name, BytesIO(b"lie"), 3),  # type: ignore[misc]
            "add": lambda bucket=bucket, name=name: key.put_object(bucket, f"{name}-lie", BytesIO(b"lie"), 3),  # type: ignore[misc]
            "copy": lambda bucket=bucket, name=name: key.copy_object(  # type: ignore[misc]
                bucket, name, CopySource(Bucket.PREPARED, things[Bucket.PREPARED])
            ),
            "begin": lambda bucket=bucket, name=name: key._create_multipart_upload(bucket, name, {}),  # type: ignore[misc]
            "remove": lambda bucket=bucket, name=name: key.remove_object(bucket, name),  # type: ignore[misc]
            "open": lambda bucket=bucket: key.set_bucket_policy(bucket, public(bucket)),  # type: ignore[misc]
            "remove all": lambda bucket=bucket: key.remove_bucket(bucket),  # type: ignore[misc]
        }
        for what, attempt in attempts.items():
            with pytest.raises(S3Error, match=REFUSED):
                pytest.fail(f"{what} in {bucket} was not refused: {attempt()}")
        assert [error.code for error in key.remove_objects(bucket, [DeleteObject(name)])] == ["AccessDenied"]
    assert {bucket: everything.stat_object(bucket, name).etag for bucket, name in things.items()} == before


def public(bucket: str) -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": ["s3:*"], "Resource": [f"arn:aws:s3:::{bucket}/*"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    "name",
    [
        "default/../unserved/lie",
        "default/%2e%2e/unserved/lie",
        "default/./../unserved/lie",
        "defaultx/lie",
        "default",
        "/unserved/lie",
    ],
)
def test_no_name_leads_out_of_its_own_part_of_the_runs(platform: Stack, name: str) -> None:
    answer = signed(platform, "PUT", f"/{Bucket.RUNS}/{name}", b"lie")
    assert answer.status_code >= 400, answer.text
    names = [str(found.object_name) for found in minio_of(platform, "operator").list_objects(Bucket.RUNS, recursive=True)]
    assert [found for found in names if "lie" in found or not found.startswith(("default/", "ordinary/", "unserved/"))] == []


def test_it_can_not_make_itself_another(platform: Stack) -> None:
    everything = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    for action, version, more in (
        ("ListUsers", "2010-05-08", {}),
        ("CreateUser", "2010-05-08", {"UserName": "evil"}),
        ("CreateAccessKey", "2010-05-08", {"UserName": "operator"}),
        ("CreateAccessKey", "2010-05-08", {"UserName": LIAR}),
        ("PutUserPolicy", "2010-05-08", {"UserName": LIAR, "PolicyName": "all", "PolicyDocument": everything}),
        ("AssumeRole", "2011-06-15", {"RoleArn": "arn:aws:iam::000000000000:role/admin", "RoleSessionName": "liar"}),
        ("GetFederationToken", "2011-06-15", {"Name": "liar", "Policy": everything}),
    ):
        body = urllib.parse.urlencode({"Action": action, "Version": version, **more}).encode()
        answer = signed(platform, "POST", "/", body)
        assert answer.status_code >= 400, (action, answer.text)


def signed(platform: Stack, method: str, path: str, body: bytes) -> httpx.Response:
    """A request of its own making, with its own signature: no client tidies the path up."""
    endpoint = platform.seaweedfs.endpoint()
    url, now, digest = urllib.parse.urlsplit(endpoint + path), utcnow(), hashlib.sha256(body).hexdigest()
    headers: dict[str, Any] = {
        "Host": url.netloc,
        "Content-Type": "application/x-www-form-urlencoded",
        "x-amz-content-sha256": digest,
        "x-amz-date": to_amz_date(now),
    }
    headers = _sign_v4(
        service_name="s3",
        method=method,
        url=url,
        region="us-east-1",
        headers=headers,
        credentials=Credentials(LIAR, platform.seaweedfs.secret(LIAR)),
        content_sha256=digest,
        date=now,
    )
    with httpx.Client() as client:
        request = client.build_request(method, endpoint, content=body, headers=headers)
        request.url = request.url.copy_with(raw_path=path.encode())
        return client.send(request)


def test_predictions_that_it_changes_after_they_were_reported_are_not_scored(arena: Arena, platform: Stack, key: Minio) -> None:
    platform.supervisor.stop_program("scorer")
    try:
        submission_id = arena.submit_starter("default", "changed afterwards")
        client = arena.neighbour.client
        wait_until(lambda: client.submission(submission_id)["state"] == "trained", "the submission to be trained")
        run = f"default/{run_id_of(UUID(submission_id))}/fold-0/"
        everything = minio_of(platform, "operator")
        (predictions,) = [str(found.object_name) for found in everything.list_objects(Bucket.RUNS, run, recursive=True)]
        key.put_object(Bucket.RUNS, predictions, BytesIO(b"other predictions"), 17)
    finally:
        platform.supervisor.start_program("scorer")
    submission = followed(arena.neighbour, submission_id)
    assert (submission["state"], submission["outcome"]) == ("failed", "system_error")
    assert "not those that the trainer said it had stored" in str(submission["reason"])


def test_what_it_changes_after_the_score_changes_nothing(arena: Arena, platform: Stack, key: Minio) -> None:
    submission_id = arena.submit_starter("default", "changed after the score")
    scores = arena.scores_of(submission_id)
    for stored, _ in arena.stored("default", submission_id):
        key.remove_object(Bucket.RUNS, stored.removeprefix(f"{Bucket.RUNS}/"))
    assert arena.scores_of(submission_id) == scores == arena.before["default"]
    assert "not shown" in arena.neighbour.client.log(submission_id)


def test_no_word_that_it_knows_opens_the_database(platform: Stack) -> None:
    host = str(platform.postgres._socket_folder)
    environment = platform.services.environment("trainer-1")
    assert not [name for name, value in environment.items() if "postgres" in (name + value).lower()]
    words = [
        urllib.parse.urlsplit(environment["PALIO_AMQP_URL"]).password,
        environment["PALIO_S3_SECRET_KEY"],
        "",
        None,
        "postgres",
    ]
    for user in ("postgres", LIAR, "trainer", *(role_of(service) for service in SERVICES)):
        for word in words:
            with pytest.raises(psycopg2.OperationalError, match=r"authentication failed|no password supplied|does not exist"):
                psycopg2.connect(host=host, user=user, password=word, dbname="palio", connect_timeout=5)


def test_what_it_can_do_and_the_security_page_says(key: Minio, things: dict[str, str]) -> None:
    # Whose digest it knows, of whichever pool.
    for bucket in (Bucket.PREPARED, Bucket.SUBMISSIONS):
        assert key.get_object(bucket, things[bucket]).read()
