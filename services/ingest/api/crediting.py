"""Route: giving credit."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.accounts import account_of
from services.ingest.api.context import POSITION_HEADER, Context
from services.ingest.crediting import give_credits
from shared.events import Credit
from shared.vault import Principal

#: Each is at least one percent.
MAX_CREDITS = 100


class GivenCredit(BaseModel):
    """A submission that something was taken from, and how much of the whole that is."""

    model_config = ConfigDict(extra="forbid")

    submission: UUID
    percent: int = Field(ge=1, le=100, examples=[30])


class NewCredits(BaseModel):
    """What a submission took from others, in place of what was said before; empty: nothing. What is left of 100 percent is its own."""

    model_config = ConfigDict(extra="forbid")

    credits: list[GivenCredit] = Field(max_length=MAX_CREDITS)


class SubmissionCredits(BaseModel):
    """What a submission gives, the largest first."""

    submission: UUID
    credits: list[GivenCredit]


def make_router(context: Context) -> APIRouter:
    """The route of credits."""
    router = APIRouter(tags=["submissions"])

    @router.put("/v1/submissions/{submission_id}/credits")
    def give(
        submission_id: UUID, new: NewCredits, response: Response, person: Annotated[Principal, Depends(context.person)]
    ) -> SubmissionCredits:
        """Say how much of a submission of yours was taken from others, handed in to the challenge before it.

        To another team's once the challenge's code is open. Said again, it changes nothing. Boards move contributivity along.
        """
        with context.engine.connect() as connection:
            team_id = account_of(connection, person).team_id
        wanted = [Credit(submission_id=each.submission, percent=each.percent) for each in new.credits]
        given = give_credits(context.engine, submission_id, wanted, person.user_id, team_id)
        if given.position is not None:
            response.headers[POSITION_HEADER] = str(given.position)
        shown = [GivenCredit(submission=each.submission_id, percent=each.percent) for each in given.credits]
        return SubmissionCredits(submission=submission_id, credits=shown)

    return router
