"""Routes: training submissions again."""

from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.api.context import POSITION_HEADER, Context
from services.ingest.reproductions import reproduce
from services.ingest.retrainings import Retraining, retrain
from shared.vault import Principal

#: Somebody's words in the history, for other people to read.
Reason = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]


class NewRetraining(BaseModel):
    """What is to be trained again, and by which version of the challenge's problem."""

    model_config = ConfigDict(extra="forbid")

    submissions: list[UUID] | None = Field(
        None, max_length=10_000, description="Default: all whose run was trained, or failed by no fault of their own."
    )
    problem_version: int | None = Field(None, ge=1, description="Default: the one that the challenge runs.")
    again: bool = Field(False, description="Also those that were trained again by this version before.")
    reason: Reason = Field("", description="For whoever reads the history.")


class RetrainedSubmission(BaseModel):
    """What came of it for one submission; `run` is the number of its newest run."""

    submission: UUID
    name: str
    run: int
    state: Literal["requested", "already", "under-way", "not-trained"]


class RetrainedSubmissions(BaseModel):
    """What came of it, in the order of handing in."""

    challenge: str
    problem_version: int
    items: list[RetrainedSubmission]


class NewReproduction(BaseModel):
    """Which run is to be made again."""

    model_config = ConfigDict(extra="forbid")

    run: int | None = Field(None, ge=1, le=10**6, description="Its number. Default: the newest that was trained.")
    reason: Reason = Field("", description="For whoever reads the history.")


class ReproductionRequested(BaseModel):
    """A run that will be compared with another one of the submission, by their numbers."""

    submission: UUID
    run: int
    of_run: int


def make_router(context: Context) -> APIRouter:
    """The routes of further runs."""
    router = APIRouter(tags=["runs"])

    @router.post("/v1/challenges/{challenge_id}/retrainings")
    def retrain_submissions(
        challenge_id: str, new: NewRetraining, response: Response, person: Annotated[Principal, Depends(context.person)]
    ) -> RetrainedSubmissions:
        """Train submissions again, for the challenge's organiser and administrators. Each stands on the boards as it did until its new run is scored.

        The second time changes nothing, unless `again` is asked for.
        """
        wanted = Retraining(
            None if new.submissions is None else tuple(new.submissions), new.problem_version, new.again, new.reason
        )
        version, found = retrain(context.engine, challenge_id, wanted, person)
        positions = [each.position for each in found if each.position is not None]
        if positions:
            response.headers[POSITION_HEADER] = str(max(positions))
        items = [
            RetrainedSubmission(submission=each.submission_id, name=each.name, run=each.run, state=each.answer) for each in found
        ]
        return RetrainedSubmissions(challenge=challenge_id, problem_version=version, items=items)

    @router.post("/v1/submissions/{submission_id}/reproductions", status_code=HTTPStatus.CREATED)
    def reproduce_submission(
        submission_id: UUID, new: NewReproduction, response: Response, person: Annotated[Principal, Depends(context.person)]
    ) -> ReproductionRequested:
        """Make a run again, on the same data in the same environment, to compare the two: `GET /v1/submissions/{id}/runs`.

        For the challenge's organiser and administrators. It stands on no board. One that is under way is not begun twice.
        """
        found = reproduce(context.engine, submission_id, new.run, new.reason, person)
        response.headers[POSITION_HEADER] = str(found.position)
        return ReproductionRequested(submission=submission_id, run=found.run, of_run=found.of_run)

    return router
