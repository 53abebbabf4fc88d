"""Everything the broker holds, as one definitions file that it loads at every start. Services declare nothing.

So a broker whose disk was lost comes back by a restart, and no service needs the right to configure. Written for RabbitMQ
3.10 and 4.x. `python -m shared.bus.topology` prints it; passwords come from the environment.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from shared.events import EVENT_TYPES, Service

VHOST = "/"
#: Facts, published by the relay in ledger order.
EVENTS = "palio.events"
#: All that a trainer can say; routing key `<pool>.<kind>`.
REPORTS = "palio.reports"
#: Withdrawals and drain, to all trainers.
CONTROL = "palio.control"
#: Heartbeats and progress: losing it loses nothing.
TELEMETRY = "palio.telemetry"
#: What the orchestrator's routing keys on `palio.telemetry` begin with; those of trainers begin with their pool.
ORCHESTRATOR_KEYS = "orchestrator"
#: What nobody could handle, with the reason in its headers.
DEAD_LETTERS = "palio.dead-letters"

REPORTS_QUEUE = "orchestrator.reports"
#: Consumers of events by a queue of their own. Trainers have a queue a pool.
EVENT_CONSUMERS = (Service.ORCHESTRATOR, Service.SCORER, Service.LEADERBOARD, Service.MAILER)
#: Who hears what is said in passing.
TELEMETRY_READERS = (Service.ORCHESTRATOR, Service.LEADERBOARD)

#: A backstop against a message that kills whoever takes it. Attempts are counted in the ledger, not here, and waiting out a
#: server that is away does not count as a delivery; RabbitMQ 4 would otherwise drop after 20.
EVENT_DELIVERY_LIMIT = 1_000
TRAINER_DELIVERY_LIMIT = 20
#: RabbitMQ from 3.12 takes it per queue; for 3.10 the same bound stands in rabbitmq.conf. Beyond the longest job: 8 days.
CONSUMER_TIMEOUT_MS = 8 * 24 * 3600 * 1000
#: In rabbitmq.conf: events have some kilobytes, and what is said of a queue of fifty thousand has less than this.
MAX_MESSAGE_BYTES = 8 * 2**20
#: Dead letters are bounded, here and where the orchestrator keeps them: the oldest go first.
MAX_DEAD_LETTERS = 10_000


#: It is part of names of queues and users, of routing keys and of keys in the object store: no dot, which separates these.
_POOL_NAME = re.compile("[a-z0-9][a-z0-9-]{0,62}")


def checked_pool_name(name: str) -> str:
    """The name, if a pool may have it. Raises `ValueError`."""
    if not _POOL_NAME.fullmatch(name):
        raise ValueError(f"a pool's name has small letters, digits and hyphens, not {name!r}")
    if name == ORCHESTRATOR_KEYS:
        # On `palio.telemetry` the orchestrator speaks under this name where trainers say their pool's.
        raise ValueError(f"no pool may be called {name}")
    return name


def event_queue(service: Service) -> str:
    """The queue of events that a service hears of."""
    return f"{service}.events"


def trainer_queue(pool: str) -> str:
    """The queue of work for a pool's trainers."""
    return f"trainer.{pool}"


#: What names of trainers' users begin with.
TRAINER_USER_PREFIX = "trainer-"


def trainer_user(pool: str) -> str:
    """The broker user (and the store's key) of a pool's trainers."""
    return f"{TRAINER_USER_PREFIX}{pool}"


def users(pools: Sequence[str]) -> list[str]:
    """Every broker user that needs a password."""
    return ["operator", Service.RELAY, *EVENT_CONSUMERS, *(trainer_user(pool) for pool in pools)]


def password_variable(user: str) -> str:
    """The environment variable that holds a user's password."""
    return f"PALIO_{user.upper().replace('-', '_')}_AMQP_PASSWORD"


def definitions(passwords: Mapping[str, str], pools: Sequence[str]) -> dict[str, Any]:
    """The definitions file. `passwords` by broker user, `pools` by name; the same input gives the same file.

    Raises `ValueError` for a name that no pool may have.
    """
    for pool in pools:
        checked_pool_name(pool)
    return {
        "vhosts": [{"name": VHOST}],
        "users": [_user(user, passwords[user]) for user in users(pools)],
        "permissions": [{"user": user, "vhost": VHOST, **_permissions(user, pools)} for user in users(pools)],
        "topic_permissions": [
            {"user": trainer_user(pool), "vhost": VHOST, "exchange": exchange, "write": f"^{re.escape(pool)}\\.", "read": "^$"}
            for pool in pools
            for exchange in (REPORTS, TELEMETRY)
        ]
        + [
            {
                "user": Service.ORCHESTRATOR.value,
                "vhost": VHOST,
                "exchange": TELEMETRY,
                "write": f"^{ORCHESTRATOR_KEYS}\\.",
                "read": ".*",
            }
        ],
        "exchanges": [
            _exchange(EVENTS, "topic"),
            _exchange(REPORTS, "topic"),
            _exchange(CONTROL, "fanout"),
            _exchange(TELEMETRY, "topic"),
            _exchange(DEAD_LETTERS, "fanout"),
        ],
        "queues": [
            *(_quorum(event_queue(service), EVENT_DELIVERY_LIMIT) for service in EVENT_CONSUMERS),
            _quorum(REPORTS_QUEUE, EVENT_DELIVERY_LIMIT),
            *(_quorum(trainer_queue(pool), TRAINER_DELIVERY_LIMIT) for pool in pools),
            {
                "name": DEAD_LETTERS,
                "vhost": VHOST,
                "durable": True,
                "auto_delete": False,
                "arguments": {
                    "x-queue-type": "quorum",
                    "x-max-length": MAX_DEAD_LETTERS,
                    "x-overflow": "drop-head",
                    # RabbitMQ 4 would drop one after 20 deaths of the orchestrator.
                    "x-delivery-limit": EVENT_DELIVERY_LIMIT,
                    "x-consumer-timeout": CONSUMER_TIMEOUT_MS,
                },
            },
        ],
        "bindings": [
            *(
                _binding(EVENTS, event_queue(service), f"{name}.#")
                for service in EVENT_CONSUMERS
                for name, event_type in sorted(EVENT_TYPES.items())
                if service in event_type.consumed_by
            ),
            *(
                _binding(EVENTS, trainer_queue(pool), f"{name}.{pool}")
                for pool in pools
                for name, event_type in sorted(EVENT_TYPES.items())
                if Service.TRAINER in event_type.consumed_by
            ),
            _binding(REPORTS, REPORTS_QUEUE, "#"),
            _binding(DEAD_LETTERS, DEAD_LETTERS, ""),
        ],
    }


def _permissions(user: str, pools: Sequence[str]) -> dict[str, str]:
    """What a user may configure, write and read: regular expressions on names of exchanges and queues."""
    if user == "operator":
        return {"configure": ".*", "write": ".*", "read": ".*"}
    if user == Service.RELAY:
        return {"configure": "^$", "write": _names(EVENTS), "read": "^$"}
    for pool in pools:
        if user == trainer_user(pool):
            # Its own control queues, one a replica, are the only thing that any service makes for itself.
            control = f"trainer\\.{re.escape(pool)}\\.control\\..+"
            return {
                "configure": f"^{control}$",
                "write": f"^({re.escape(REPORTS)}|{re.escape(TELEMETRY)}|{re.escape(DEAD_LETTERS)}|{control})$",
                "read": f"^({re.escape(trainer_queue(pool))}|{re.escape(CONTROL)}|{control})$",
            }
    readable = [event_queue(Service(user))]
    writable = [DEAD_LETTERS]
    if user == Service.ORCHESTRATOR:
        # The pools' and the scorer's queues only to see how much waits in them: their messages it could read as events as well.
        readable += [REPORTS_QUEUE, DEAD_LETTERS, event_queue(Service.SCORER), *(trainer_queue(pool) for pool in pools)]
        writable += [CONTROL, TELEMETRY]
    if user not in TELEMETRY_READERS:
        return {"configure": "^$", "write": _names(*writable), "read": _names(*readable)}
    # A queue of its own for each process, which goes with its connection.
    own = f"{re.escape(user)}\\.telemetry\\..+"
    return {
        "configure": f"^{own}$",
        "write": f"^({'|'.join(map(re.escape, writable))}|{own})$",
        "read": f"^({'|'.join(map(re.escape, [*readable, TELEMETRY]))}|{own})$",
    }


def _names(*names: str) -> str:
    return f"^({'|'.join(re.escape(name) for name in names)})$"


def _user(name: str, password: str) -> dict[str, Any]:
    # RabbitMQ's format: salt, then sha256 of salt and password. The salt is derived, so that the file does not change at each start.
    salt = hmac.digest(password.encode(), name.encode(), "sha256")[:4]
    password_hash = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    # Who puts a report back into its queue does so in the name of the trainer whose report it is: consumers go by that name.
    tags = ["administrator", "impersonator"] if name == "operator" else []
    return {"name": name, "password_hash": password_hash, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": tags}


def _exchange(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "vhost": VHOST, "type": kind, "durable": True, "auto_delete": False, "internal": False, "arguments": {}}


def _quorum(name: str, delivery_limit: int) -> dict[str, Any]:
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": delivery_limit,
        "x-dead-letter-exchange": DEAD_LETTERS,
        "x-consumer-timeout": CONSUMER_TIMEOUT_MS,
    }
    return {"name": name, "vhost": VHOST, "durable": True, "auto_delete": False, "arguments": arguments}


def _binding(exchange: str, queue: str, key: str) -> dict[str, Any]:
    return {
        "source": exchange,
        "vhost": VHOST,
        "destination": queue,
        "destination_type": "queue",
        "routing_key": key,
        "arguments": {},
    }


def main() -> int:
    """Print the definitions; returns the exit code."""
    pools = json.loads(os.environ.get("PALIO_POOLS", '["default"]'))
    missing = [password_variable(user) for user in users(pools) if password_variable(user) not in os.environ]
    if missing:
        sys.stderr.write(f"Set {', '.join(missing)}, then run this again.\n")
        return 2
    passwords = {user: os.environ[password_variable(user)] for user in users(pools)}
    json.dump(definitions(passwords, pools), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
