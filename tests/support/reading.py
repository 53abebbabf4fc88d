"""Reading all there is to read: what is packed in bytes, every object that a key reaches, every address of the API."""

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import zstandard
from minio import Minio

from deploy.local.stack import Stack

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def everything_in(content: bytes) -> Iterator[bytes]:
    """The bytes, and what is packed in them: tar and zstandard are looked into."""
    yield content
    if content.startswith(_ZSTD_MAGIC):
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)) as reader:
            while chunk := reader.read(1 << 24):
                yield chunk
    elif tarfile.is_tarfile(io.BytesIO(content)):
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is not None:
                    yield from everything_in(file.read())


def objects(store: Minio, bucket: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Every object of a bucket, below a prefix, that this key can list and read: `bucket/key`, and its bytes."""
    for found in store.list_objects(bucket, prefix=prefix, recursive=True):
        response = store.get_object(bucket, str(found.object_name))
        try:
            yield f"{bucket}/{found.object_name}", response.read()
        finally:
            response.close()
            response.release_conn()


def minio_of(platform: Stack, key: str) -> Minio:
    """The object store with one key, without anything of ours in between."""
    endpoint = platform.seaweedfs.endpoint().removeprefix("http://")
    return Minio(endpoint, key, platform.seaweedfs.secret(key), secure=False, region="us-east-1")


def addresses_of(client: httpx.Client, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Every address that the API reads, filled in with all of `values` (`{"challenge_id": […], …}`), and the pages of the same."""
    document = client.get("/v1/openapi.json").raise_for_status().json()
    plots = ["scores", "training-times", "submissions", "bagging", "progress", "ensemble"]
    choices: dict[str, Sequence[str]] = {
        "board": ["public", "private"],
        "kind": plots,
        "position": ["1"],
        "version": ["1"],
        **values,
    }
    for path, operations in dict[str, Any](document["paths"]).items():
        if "get" not in operations:
            continue
        urls = [path]
        for name, filled in choices.items():
            urls = [url.replace(f"{{{name}}}", choice) for url in urls for choice in filled]
        urls = list(dict.fromkeys(urls))
        assert not any("{" in url for url in urls), f"this test does not know how to ask {path}"
        yield from urls
    yield from ("/", *(f"/challenges/{each}" for each in values["challenge_id"]))
    yield from (f"/submissions/{each}" for each in values["submission_id"])


def shown_at(client: httpx.Client, url: str, token: str | None) -> bytes:
    """A response's body, to the owner of a token or to nobody; of a stream that does not end, its first event."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    content = b""
    with client.stream("GET", url, headers=headers) as response:
        for chunk in response.iter_bytes():
            content += chunk
            if response.headers.get("Content-Type", "").startswith("text/event-stream") and b"\n\n" in content:
                break
    return content
