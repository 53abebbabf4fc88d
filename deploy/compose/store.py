"""`python -m deploy.compose.store`: buckets, users and their rights in a MinIO. A second run changes nothing.

Needs PALIO_S3_ENDPOINT, PALIO_S3_ACCESS_KEY and PALIO_S3_SECRET_KEY (the root user's), PALIO_POOLS (a JSON list, by default
`["default"]`) and PALIO_<KEY>_S3_SECRET_KEY for each key, such as PALIO_TRAINER_DEFAULT_S3_SECRET_KEY.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider

from deploy.access import SETUP_KEY, grants, minio_policy
from shared.artefacts import Bucket

#: MinIO's own policy of someone who may read and write everything.
_EVERYTHING = "readwrite"


def set_up_minio(endpoint: str, access_key: str, secret_key: str, secrets: Mapping[str, str], pools: Sequence[str]) -> None:
    """Make buckets, a user for each key in `secrets`, and their policies, as the root user that the arguments name."""
    url = urlsplit(endpoint)
    secure = url.scheme == "https"
    client = Minio(url.netloc, access_key=access_key, secret_key=secret_key, secure=secure)
    for bucket in Bucket:
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
    admin = MinioAdmin(endpoint=url.netloc, credentials=StaticProvider(access_key, secret_key), secure=secure)
    for name, grant in grants(pools).items():
        policy = f"palio-{name}"
        admin.policy_add(policy, policy=minio_policy(grant))
        admin.user_add(name, secrets[name])
        admin.policy_set(policy, user=name)
    if SETUP_KEY in secrets:
        admin.user_add(SETUP_KEY, secrets[SETUP_KEY])
        admin.policy_set(_EVERYTHING, user=SETUP_KEY)


def secret_variable(key: str) -> str:
    """The environment variable that holds the secret of a key."""
    return f"PALIO_{key.upper().replace('-', '_')}_S3_SECRET_KEY"


def main() -> int:
    """Set it up; returns the exit code."""
    pools = json.loads(os.environ.get("PALIO_POOLS", '["default"]'))
    names = ("PALIO_S3_ENDPOINT", "PALIO_S3_ACCESS_KEY", "PALIO_S3_SECRET_KEY")
    missing = [name for name in (*names, *map(secret_variable, grants(pools))) if name not in os.environ]
    if missing:
        sys.stderr.write(f"Set {', '.join(missing)}, then run this again.\n")
        return 2
    secrets = {key: os.environ[secret_variable(key)] for key in grants(pools)}
    endpoint, access_key, secret_key = (os.environ[name] for name in names)
    set_up_minio(endpoint, access_key, secret_key, secrets, pools)
    return 0


if __name__ == "__main__":
    sys.exit(main())
