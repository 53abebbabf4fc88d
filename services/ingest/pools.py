"""Pools of trainers: paused, drained and resumed by administrators.

A decision is an event of the pool's own stream, appended at the version that was looked at: of two at once the later one sees the
earlier. Deciding what is so already changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from sqlalchemy import Connection, Engine

from services.ingest.names import is_visible
from shared.events import Metadata, PoolDrained, PoolEvent, PoolPaused, PoolResumed, PoolState
from shared.http import Problem
from shared.ledger import ConflictError, NewEvent, append, read_stream

#: People decide: more than a few at once on one pool is a defect.
MAX_CONFLICTS = 5

DECISIONS: dict[PoolState, type[PoolEvent]] = {"paused": PoolPaused, "drained": PoolDrained, "open": PoolResumed}
_STATES = {decision: state for state, decision in DECISIONS.items()}


@dataclass(frozen=True)
class DecidedPool:
    """A pool as it was decided last; `position` is None for one of which nothing was ever decided."""

    name: str
    state: PoolState
    reason: str
    position: int | None


def decide_pool(engine: Engine, known: Sequence[str], pool: str, state: PoolState, reason: str, user_id: UUID) -> DecidedPool:
    """Bring a pool into a state; returns how it is then. What is so already stays as it was decided first, with that reason.

    Raises `Problem`: 404 for an unknown pool, 422 for a reason that does not show.
    """
    if pool not in known:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-pool", f"There is no pool {pool}. There are: {', '.join(known)}")
    if not is_visible(reason):
        detail = "The reason holds a control or invisible character. Write one line of characters that show."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-reason", detail)
    for _ in range(MAX_CONFLICTS):
        try:
            with engine.begin() as connection:
                return _decide(connection, pool, state, reason, user_id)
        except ConflictError:
            continue
    raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "Others decide on this pool all the time. Try again in a moment.")


def _decide(connection: Connection, pool: str, state: PoolState, reason: str, user_id: UUID) -> DecidedPool:
    stream = read_stream(connection, f"pool-{pool}")
    last = stream[-1].event() if stream else None
    now: PoolState = _STATES[type(last)] if isinstance(last, PoolEvent) else "open"
    if now == state:
        said = last.reason if isinstance(last, PoolEvent) else ""
        return DecidedPool(pool, state, said, stream[-1].position if stream else None)
    event = DECISIONS[state](pool=pool, user_id=user_id, reason=reason)
    metadata = Metadata(correlation_id=event.stream, actor_id=user_id)
    return DecidedPool(pool, state, reason, append(connection, [NewEvent(event, metadata, len(stream))]).position)
