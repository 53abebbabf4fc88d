"""Servers that the environment names, in place of our own ones.

- `PALIO_TEST_DATABASE_URL`: `postgresql+psycopg2://…` of a superuser. Databases and roles `palio_…` are made there.
- `PALIO_TEST_AMQP_URL`, `PALIO_TEST_AMQP_API`: `amqp://HOST:PORT/%2F`, and the management API `http://USER:PASSWORD@HOST:PORT`
  of an administrator, through which the definitions are loaded.
- `PALIO_TEST_S3_ENDPOINT`, `PALIO_TEST_S3_ACCESS_KEY`, `PALIO_TEST_S3_SECRET_KEY`: a MinIO and its root key. Buckets, users and
  policies are made there.

Mail always goes to our own catcher, since tests read it.
"""

import dataclasses
import json
import os

import httpx
from sqlalchemy import make_url

from deploy.compose.store import set_up_minio
from shared.bus.topology import definitions
from tests.support.servers import POOLS, Servers


def given_servers(own: Servers) -> Servers:
    """Our own servers, with those that the environment names in their place, set up in the same way."""
    servers = own
    if url := os.environ.get("PALIO_TEST_DATABASE_URL"):
        servers = dataclasses.replace(servers, superuser_url=make_url(url))
    if url := os.environ.get("PALIO_TEST_AMQP_URL"):
        servers = dataclasses.replace(servers, amqp_urls=_load_definitions(url, os.environ["PALIO_TEST_AMQP_API"], own))
    if endpoint := os.environ.get("PALIO_TEST_S3_ENDPOINT"):
        access_key, secret_key = os.environ["PALIO_TEST_S3_ACCESS_KEY"], os.environ["PALIO_TEST_S3_SECRET_KEY"]
        set_up_minio(endpoint, access_key, secret_key, own.s3_secrets, POOLS)
        servers = dataclasses.replace(servers, s3_endpoint=endpoint)
    return servers


def _load_definitions(url: str, api: str, own: Servers) -> dict[str, str]:
    """Load the definitions; returns the URL of each user."""
    own_urls = {user: httpx.URL(amqp_url) for user, amqp_url in own.amqp_urls.items()}
    content = definitions({user: str(amqp_url.password) for user, amqp_url in own_urls.items()}, POOLS)
    httpx.post(f"{api.rstrip('/')}/api/definitions", content=json.dumps(content), timeout=30).raise_for_status()
    place = httpx.URL(url)
    return {user: str(place.copy_with(username=user, password=own_url.password)) for user, own_url in own_urls.items()}
