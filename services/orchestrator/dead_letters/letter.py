"""What a dead letter is, from the message that arrived. Pure, and it never raises: a stranger may have written all of it.

Two ways lead here. A consumer of ours buries a copy and says why in headers (`palio-…`), under its own name; or the broker gives
up by itself and says so in `x-death`. Any trainer may write among the dead letters as well, and claim what it likes. So who
published a message, which the broker has verified, decides what is believed of it: of a trainer only what it could have done
itself. Else a requeue would put a forged event into another service's queue.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.bus.consumer import ORIGIN_KEY, ORIGIN_QUEUE, ORIGIN_USER, REASON
from shared.bus.topology import EVENT_CONSUMERS, REPORTS_QUEUE, TRAINER_USER_PREFIX, event_queue, trainer_queue, users
from shared.events import Service
from shared.ledger import derived_id

#: No event and no report of ours is near that. A larger one is kept cut, and can't be requeued.
MAX_BODY_BYTES = 2**20
MAX_HEADERS_CHARS = 64 * 2**10
MAX_REASON_CHARS = 1_000

_SERVICE_QUEUES = frozenset({REPORTS_QUEUE, *(event_queue(service) for service in EVENT_CONSUMERS)})
_POOL_QUEUE = re.compile(r"trainer\.[a-z0-9][a-z0-9-]{0,62}")
#: Whose word counts: our own services, and the operator.
_BELIEVED = frozenset(users([]))


@dataclass(frozen=True)
class Arrived:
    """A message from the queue of dead letters. `user` is who published it, as the broker has verified; None for nobody."""

    body: bytes
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    routing_key: str
    user: str | None


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter as it is kept. Texts hold nothing that PostgreSQL refuses."""

    id: UUID
    #: Where it could not be handled, and whose it was before; None where that is not to be believed.
    queue: str | None
    sender: str | None
    routing_key: str
    reason: str
    #: JSON of headers and properties, cut.
    headers: str
    body: bytes
    body_bytes: int
    digest: str


def dead_letter(arrived: Arrived) -> DeadLetter:
    """The dead letter that a message is."""
    death = _death(arrived.headers)
    queue, sender, routing_key = _origin(arrived, death)
    digest = hashlib.sha256(arrived.body).hexdigest()
    # Not the reason: a message that is buried again may die of something else.
    about = (queue, storable(sender or ""), storable(routing_key), storable(str(arrived.properties.get("message_id"))), digest)
    kept = {"headers": dict(arrived.headers), "properties": dict(arrived.properties), "published_by": arrived.user}
    return DeadLetter(
        id=derived_id("dead-letter", *about),
        queue=queue,
        sender=storable(sender)[:255] if sender else None,
        routing_key=storable(routing_key)[:255],
        reason=storable(_reason(arrived, death))[:MAX_REASON_CHARS],
        headers=as_json(kept),
        body=arrived.body[:MAX_BODY_BYTES],
        body_bytes=len(arrived.body),
        digest=digest,
    )


def storable(text: str) -> str:
    """The text without what PostgreSQL's text does not hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def as_json(value: object) -> str:
    """Any headers as JSON in ASCII, cut; what JSON has no form for as text."""
    try:
        written = json.dumps(value, default=_in_words, skipkeys=True)
    except (ValueError, TypeError, RecursionError) as error:
        written = json.dumps({"unreadable": repr(error)})
    if len(written) <= MAX_HEADERS_CHARS:
        return written
    return json.dumps({"cut": written[: MAX_HEADERS_CHARS // 2]})


def _in_words(value: object) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes | bytearray) else str(value)


def _origin(arrived: Arrived, death: Mapping[str, Any]) -> tuple[str | None, str | None, str]:
    """Queue, first sender and routing key, as far as they are to be believed."""
    user = arrived.user or ""
    buried_in = arrived.headers.get(ORIGIN_QUEUE)
    died_in = death.get("queue")
    if user in _BELIEVED:
        if isinstance(buried_in, str):
            return _known(buried_in), _text(arrived.headers.get(ORIGIN_USER)), _text(arrived.headers.get(ORIGIN_KEY)) or ""
        return _known(died_in), user, arrived.routing_key
    if not user.startswith(TRAINER_USER_PREFIX):
        return None, None, arrived.routing_key
    own = trainer_queue(user.removeprefix(TRAINER_USER_PREFIX))
    if buried_in == own:
        # What a trainer takes from its queue, the relay has put there.
        return _known(own), Service.RELAY.value, _text(arrived.headers.get(ORIGIN_KEY)) or ""
    # A report of its own, which it could send again by itself.
    return (REPORTS_QUEUE if died_in == REPORTS_QUEUE else None), user, arrived.routing_key


def _known(queue: object) -> str | None:
    """A queue that work can be in. Others are named in the headers; metrics and requeues have no use for them."""
    return queue if isinstance(queue, str) and (queue in _SERVICE_QUEUES or _POOL_QUEUE.fullmatch(queue)) else None


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The newest entry of `x-death`, which the broker writes first."""
    deaths = headers.get("x-death")
    newest = deaths[0] if isinstance(deaths, list) and deaths else None
    return newest if isinstance(newest, dict) else {}


def _reason(arrived: Arrived, death: Mapping[str, Any]) -> str:
    said = arrived.headers.get(REASON)
    if said is not None:
        return _text(said) or _in_words(said)
    match death.get("reason"):
        case "delivery_limit":
            return "delivery_limit: whoever took it died or gave it back, each time"
        case "rejected" | "expired" | "maxlen" as word:
            return f"{word}: the broker's word for it"
        case _:
            return "no reason is given"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
