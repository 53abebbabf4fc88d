"""Who may do what in the object store: one table, from which SeaweedFS's identities and MinIO's policies are made.

Keys are named like the services, and `trainer-<pool>` for the trainers of a pool. Nobody but the setup key may list: keys end
in a digest, so what a service may read is what the ledger told it of.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.artefacts import Bucket
from shared.bus.topology import trainer_user
from shared.events import Service

#: The key that makes buckets and users. No service has it.
SETUP_KEY = "operator"


@dataclass(frozen=True)
class Grant:
    """What a key may read and write: buckets, or `bucket/prefix` for the keys below `prefix/`."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


def grants(pools: Sequence[str]) -> dict[str, Grant]:
    """The rights of every key but the setup key, by its name."""
    table = {
        Service.INGEST.value: Grant(reads=(Bucket.KITS,), writes=(Bucket.KITS, Bucket.PRIVATE, Bucket.SUBMISSIONS)),
        Service.SCORER.value: Grant(
            reads=(Bucket.KITS, Bucket.PRIVATE, Bucket.PREPARED, Bucket.SUBMISSIONS, Bucket.RUNS),
            writes=(Bucket.PRIVATE, Bucket.PREPARED),
        ),
        # Of the private bucket only what an organiser may read of a failed preparation.
        Service.LEADERBOARD.value: Grant(
            reads=(Bucket.KITS, Bucket.PREPARED, Bucket.SUBMISSIONS, Bucket.RUNS, f"{Bucket.PRIVATE}/details")
        ),
        Service.MAILER.value: Grant(reads=(Bucket.RUNS,)),
    }
    for pool in pools:
        table[trainer_user(pool)] = Grant(reads=(Bucket.PREPARED, Bucket.SUBMISSIONS), writes=(f"{Bucket.RUNS}/{pool}",))
    return table


def seaweedfs_identities(secrets: Mapping[str, str], pools: Sequence[str]) -> dict[str, Any]:
    """The file for `weed server -s3.config`. `secrets` by key name, the setup key's among them."""
    identities = [{"name": SETUP_KEY, "credentials": [_pair(SETUP_KEY, secrets)], "actions": ["Admin"]}]
    for name, grant in grants(pools).items():
        # A right on a prefix is written `Read:bucket/prefix/*`. Without the slash, pool `a` could write into pool `ab`.
        actions = [f"{action}:{_below(place)}" for action, places in _actions(grant) for place in places]
        identities.append({"name": name, "credentials": [_pair(name, secrets)], "actions": actions})
    return {"identities": identities}


def minio_policy(grant: Grant) -> dict[str, Any]:
    """The policy document of one key, in the language of AWS."""
    statements = []
    if grant.reads:
        statements.append(_statement(["s3:GetObject"], grant.reads))
    if grant.writes:
        statements.append(_statement(["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"], grant.writes))
    return {"Version": "2012-10-17", "Statement": statements}


def minio_policies(pools: Sequence[str]) -> dict[str, str]:
    """Each key's policy as JSON text, by the key's name."""
    return {name: json.dumps(minio_policy(grant)) for name, grant in grants(pools).items()}


def _actions(grant: Grant) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("Read", grant.reads), ("Write", grant.writes))


def _below(place: str) -> str:
    return f"{place}/*" if "/" in place else place


def _pair(name: str, secrets: Mapping[str, str]) -> dict[str, str]:
    return {"accessKey": name, "secretKey": secrets[name]}


def _statement(actions: list[str], places: tuple[str, ...]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": [f"arn:aws:s3:::{place}/*" for place in places]}
