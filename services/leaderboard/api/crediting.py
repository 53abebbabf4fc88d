"""Route: the credits of a submission."""

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from services.leaderboard.api.context import Context
from services.leaderboard.api.submissions import load_submission
from services.leaderboard.credits import find_credits
from services.leaderboard.submissions import Submission, find_submissions


class SubmissionCredit(BaseModel):
    """Credit to, or from, a submission."""

    submission: str
    submission_id: UUID
    team: str
    percent: int


class SubmissionCredits(BaseModel):
    """What a submission gives to earlier ones, in percent of itself, and what it received of later ones, in percent of those."""

    submission: UUID
    given: list[SubmissionCredit]
    received: list[SubmissionCredit]


def make_router(context: Context) -> APIRouter:
    """The route of credits."""
    router = APIRouter(tags=["submissions"])

    @router.get("/v1/submissions/{submission_id}/credits")
    def read(submission_id: UUID) -> SubmissionCredits:
        """What a submission was taken from, and what was taken from it, as their teams say; the largest first. For everybody."""
        found = load_submission(context, submission_id)
        with context.engine.connect() as connection:
            of_all = find_credits(connection, found.challenge_id)
            given = next((each.percents for each in of_all if each.submission_id == submission_id), {})
            received = {each.submission_id: each.percents[submission_id] for each in of_all if submission_id in each.percents}
            others = find_submissions(connection, given.keys() | received.keys())
        return SubmissionCredits(submission=submission_id, given=_shown(given, others), received=_shown(received, others))

    return router


def _shown(percents: Mapping[UUID, int], others: Mapping[UUID, Submission]) -> list[SubmissionCredit]:
    ordered = sorted(percents, key=lambda key: (-percents[key], key))
    return [
        SubmissionCredit(submission=others[key].name, submission_id=key, team=others[key].team, percent=percents[key])
        for key in ordered
    ]
