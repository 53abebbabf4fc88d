"""Routes: where a challenge's own code failed, and its words, for the organiser alone: they may hold labels."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import Connection

from services.leaderboard.api.context import Context
from services.leaderboard.challenges import find_challenge
from services.leaderboard.grades import organiser_of
from services.leaderboard.kit_faults import KitFault, find_fault, newest_faults
from shared.artefacts import Bucket, details_key
from shared.http import Problem
from shared.visibility import Viewer, sees_kit_faults

_MAX_POSITION = 2**62


class Fault(BaseModel):
    """A failure of a kit's own code. `kind`: `metric` (scores are missing), `scoring` (a submission has none) or `ensemble`."""

    position: int
    recorded_at: AwareDatetime
    kind: str
    submission_id: UUID | None
    reason: str


class FaultDetail(Fault):
    """And what the code said, or its traceback."""

    detail: str | None


class FaultList(BaseModel):
    """The newest first. `before` is what to ask for next; null at the end."""

    items: list[Fault]
    before: int | None = Field(description="The next page's `before`.")


def make_router(context: Context) -> APIRouter:
    """The routes of failures."""
    router = APIRouter(tags=["challenges"])
    viewers = Annotated[Viewer, Depends(context.viewer)]

    @router.get("/v1/challenges/{challenge_id}/faults")
    def faults(
        challenge_id: str,
        viewer: viewers,
        before: Annotated[
            int | None, Query(ge=1, le=_MAX_POSITION, description="Only those before this ledger position.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> FaultList:
        """Where metrics raised, gave no number, or took the scorer down, for the problem's organiser and administrators."""
        with context.engine.connect() as connection:
            _check_sees(connection, challenge_id, viewer)
            found = newest_faults(connection, challenge_id, before, limit)
        return FaultList(
            items=[Fault(**_shown(each)) for each in found], before=found[-1].position if len(found) == limit else None
        )

    @router.get("/v1/challenges/{challenge_id}/faults/{position}")
    def fault(challenge_id: str, position: Annotated[int, Path(ge=1, le=_MAX_POSITION)], viewer: viewers) -> FaultDetail:
        """One failure, with the words of the code."""
        with context.engine.connect() as connection:
            _check_sees(connection, challenge_id, viewer)
            found = find_fault(connection, challenge_id, position)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-fault", f"Nothing of {challenge_id} failed at position {position}.")
        detail = None
        if found.detail_digest is not None:
            detail = context.store.get_bytes(Bucket.PRIVATE, details_key(found.detail_digest)).decode(errors="replace")
        return FaultDetail(**_shown(found), detail=detail)

    return router


def _check_sees(connection: Connection, challenge_id: str, viewer: Viewer) -> None:
    challenge = find_challenge(connection, challenge_id)
    if not sees_kit_faults(viewer, challenge.organiser_id, organiser_of(connection, challenge_id)):
        detail = "What a challenge's own code says while it scores is for its organiser and administrators."
        raise Problem(HTTPStatus.FORBIDDEN, "organisers-only", detail)


def _shown(found: KitFault) -> dict[str, object]:
    return {name: value for name, value in vars(found).items() if name != "detail_digest"}
