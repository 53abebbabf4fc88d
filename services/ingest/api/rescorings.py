"""Routes: another version of a challenge's problem."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.api.context import POSITION_HEADER, Context
from services.ingest.rescorings import Rescoring, confirm_rescoring, request_rescoring
from shared.vault import Principal


class NewRescoring(BaseModel):
    """By which version of the challenge's problem to score."""

    model_config = ConfigDict(extra="forbid")

    problem_version: int | None = Field(None, ge=1, le=10**6, description="Default: the newest that is prepared.")


class Confirmation(BaseModel):
    """That the challenge is to run the version."""

    model_config = ConfigDict(extra="forbid")

    without_missing: bool = Field(False, description="Although submissions that have no score by it leave the boards.")


class RescoringState(BaseModel):
    """How the step stands; more at `GET /v1/challenges/{id}/rescorings/{version}`."""

    challenge: str
    problem_version: int
    state: Literal["requested", "computed", "confirmed", "adopted"]


def make_router(context: Context) -> APIRouter:
    """The routes of rescorings."""
    router = APIRouter(tags=["rescorings"])

    def answer(challenge_id: str, found: Rescoring, response: Response) -> RescoringState:
        if found.position is not None:
            response.headers[POSITION_HEADER] = str(found.position)
        return RescoringState(challenge=challenge_id, problem_version=found.problem_version, state=found.state)

    @router.post("/v1/challenges/{challenge_id}/rescorings")
    def request(
        challenge_id: str, new: NewRescoring, response: Response, person: Annotated[Principal, Depends(context.person)]
    ) -> RescoringState:
        """Score what is on the boards by another version of the problem, without training; the boards stay as they are.

        For the challenge's organiser and administrators. Asked for again, it takes in what was scored since.
        """
        return answer(challenge_id, request_rescoring(context.engine, challenge_id, new.problem_version, person), response)

    @router.post("/v1/challenges/{challenge_id}/rescorings/{version}/confirmation")
    def confirm(
        challenge_id: str,
        version: Annotated[int, Path(ge=1, le=10**6)],
        new: Confirmation,
        response: Response,
        person: Annotated[Principal, Depends(context.person)],
    ) -> RescoringState:
        """Let the challenge run this version: all boards change over at once, and teams whose rank moves are written to."""
        found = confirm_rescoring(context.engine, challenge_id, version, person, without_missing=new.without_missing)
        return answer(challenge_id, found, response)

    return router
