"""Route: what another version of a challenge's problem would do to its board, or did."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from services.leaderboard.api.context import Context
from services.leaderboard.challenges import find_challenge
from services.leaderboard.grades import organiser_of
from services.leaderboard.rescorings import Missing, Rescoring, find_rescoring
from shared.http import Problem
from shared.visibility import Viewer, sees_rescoring


class RankMove(BaseModel):
    """A team whose place on the public competition board differs. Null where it has none."""

    team: str
    before: int | None
    after: int | None
    score_before: float | None
    score_after: float | None


class MissingScore(BaseModel):
    """A submission on the boards that has no score by the version, and why: it would leave them."""

    team: str
    submission: str
    submission_id: str
    why: str


class RescoringPage(BaseModel):
    """A challenge's step to a version of its problem; `metric` is that version's official one, `metric_before` that of the one before.

    `n_scored` of the `n_submissions` on the boards have a score by it so far. `n_failed`, `n_to_retrain`: of the last dry run, null
    before it is done.
    """

    challenge: str
    problem_version: int
    from_version: int
    state: Literal["requested", "computed", "confirmed", "adopted"]
    metric: str
    metric_before: str
    n_scored: int
    n_submissions: int
    n_failed: int | None
    n_to_retrain: int | None
    adopted_at_position: int | None
    moves: list[RankMove]
    missing: list[MissingScore]


def make_router(context: Context) -> APIRouter:
    """The route of rescorings."""
    router = APIRouter(tags=["challenges"])

    @router.get("/v1/challenges/{challenge_id}/rescorings/{version}")
    def rescoring(
        challenge_id: str,
        version: Annotated[int, Path(ge=1, le=10**6)],
        viewer: Annotated[Viewer, Depends(context.viewer)],
    ) -> RescoringPage:
        """Whose rank a version would move, or moved, for the challenge's organiser and administrators."""
        with context.engine.connect() as connection:
            challenge = find_challenge(connection, challenge_id)
            if not sees_rescoring(viewer, organiser_of(connection, challenge_id)):
                detail = "What another version of the problem would do is for the challenge's organiser and administrators."
                raise Problem(HTTPStatus.FORBIDDEN, "organisers-only", detail)
            found = find_rescoring(connection, challenge, version)
        return _page(challenge_id, found)

    return router


def _page(challenge_id: str, found: Rescoring) -> RescoringPage:
    return RescoringPage.model_validate(
        {
            "challenge": challenge_id,
            "problem_version": found.problem.version,
            "from_version": found.problem_before.version,
            "state": found.state,
            "metric": found.problem.metrics[0].name,
            "metric_before": found.problem_before.metrics[0].name,
            "n_scored": found.n_scored,
            "n_submissions": found.n_submissions,
            "n_failed": found.n_failed,
            "n_to_retrain": found.n_to_retrain,
            "adopted_at_position": found.adopted_at_position,
            "moves": [vars(each) for each in found.moves],
            "missing": [_missing(each) for each in found.missing],
        }
    )


def _missing(found: Missing) -> MissingScore:
    return MissingScore(
        team=found.submission.team,
        submission=found.submission.name,
        submission_id=str(found.submission.submission_id),
        why=found.why,
    )
