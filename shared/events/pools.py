"""Pools of trainers: what administrators decide of them."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Event, Service, services

#: What a pool is: its submissions are requested; nothing more is requested; nothing more, and what was requested comes back.
PoolState = Literal["open", "paused", "drained"]
MAX_POOL_REASON_CHARS = 300


class PoolEvent(Event):
    """What all decisions on a pool share."""

    pool: str
    user_id: UUID
    #: For everybody who waits; empty if nothing was said.
    reason: str = Field(max_length=MAX_POOL_REASON_CHARS)

    @property
    def stream(self) -> str:
        return f"pool-{self.pool}"


class PoolPaused(PoolEvent):
    """Nothing more of a pool is requested; what is requested goes on."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.ORCHESTRATOR)


class PoolDrained(PoolEvent):
    """Nothing more of a pool is requested, and its trainers give back what they do not finish soon."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.ORCHESTRATOR)


class PoolResumed(PoolEvent):
    """What waits for a pool is requested again."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.ORCHESTRATOR)
