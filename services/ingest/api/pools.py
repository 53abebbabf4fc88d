"""Routes: pausing, draining and resuming pools."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.api.context import POSITION_HEADER, Context
from services.ingest.pools import decide_pool
from shared.events import PoolState
from shared.events.pools import MAX_POOL_REASON_CHARS
from shared.vault import Principal

STATES: dict[str, PoolState] = {"pause": "paused", "drain": "drained", "resume": "open"}


class PoolDecision(BaseModel):
    """Why; shown to everybody who waits."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=MAX_POOL_REASON_CHARS)


class Pool(BaseModel):
    """A pool as it is decided now. `position` in the ledger is null for one of which nothing was ever decided."""

    pool: str
    state: PoolState
    reason: str
    position: int | None


def make_router(context: Context) -> APIRouter:
    """The routes of pools."""
    router = APIRouter(tags=["pools"])

    @router.post("/v1/pools/{pool}/{decision}")
    def decide(
        pool: str,
        decision: Literal["pause", "drain", "resume"],
        response: Response,
        administrator: Annotated[Principal, Depends(context.administrator)],
        said: PoolDecision | None = None,
    ) -> Pool:
        """Pause: nothing more is requested. Drain: that, and trainers give back what they do not finish soon. Resume: go on.

        Deciding what is so already changes nothing.
        """
        reason = said.reason.strip() if said else ""
        decided = decide_pool(context.engine, context.settings.pools, pool, STATES[decision], reason, administrator.user_id)
        if decided.position is not None:
            response.headers[POSITION_HEADER] = str(decided.position)
        return Pool(pool=decided.name, state=decided.state, reason=decided.reason, position=decided.position)

    return router
