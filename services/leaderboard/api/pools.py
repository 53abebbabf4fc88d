"""Routes: pools of trainers as the orchestrator sees them, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from services.leaderboard.api.context import Context
from shared.events import PoolState
from shared.http.identity import optional_principal, require_administrator
from shared.vault import Principal


class Pool(BaseModel):
    """A pool. `decided_at_position`: the newest decision that these figures know of, 0 for none. `heard_s_ago`: their age."""

    pool: str
    state: PoolState
    reason: str
    decided_at_position: int
    waiting: int
    requested: int
    under_way: int
    trainers: int
    slots: int
    heard_s_ago: float


class PoolList(BaseModel):
    """All pools that have work or trainers, or of which something was decided."""

    items: list[Pool]


def make_router(context: Context) -> APIRouter:
    """The routes of pools."""
    router = APIRouter(tags=["pools"])
    principal = optional_principal(context.engine)

    def administrator(person: Annotated[Principal | None, Depends(principal)]) -> Principal:
        return require_administrator(person)

    @router.get("/v1/pools", dependencies=[Depends(administrator)])
    def pools() -> PoolList:
        """How much waits, is requested and is under way in each pool, as the orchestrator said last."""
        said = [
            Pool(
                pool=snapshot.pool,
                state=snapshot.state,
                reason=snapshot.reason,
                decided_at_position=snapshot.decided_at_position,
                waiting=snapshot.waiting,
                requested=snapshot.requested,
                under_way=snapshot.under_way,
                trainers=snapshot.trainers,
                slots=snapshot.slots,
                heard_s_ago=round(age_s, 1),
            )
            for snapshot, age_s in context.live.snapshots()
        ]
        return PoolList(items=said)

    return router
