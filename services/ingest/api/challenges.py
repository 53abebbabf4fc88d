"""Routes: creating and joining challenges."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel

from services.ingest.accounts import account_of
from services.ingest.api.context import POSITION_HEADER, Context
from services.ingest.challenges import NewChallenge, create_challenge, join_challenge
from shared.events import FoldLimits, LogPolicy
from shared.vault import Principal


class Challenge(BaseModel):
    """The rules of a challenge."""

    id: str
    title: str
    problem: str
    problem_version: int
    opens_at: AwareDatetime
    code_opens_at: AwareDatetime
    closes_at: AwareDatetime
    pool: str
    limits: FoldLimits
    log_policy: LogPolicy
    team_log_bytes: int
    ensemble_size: int
    ensemble_min_improvement: float


class Join(BaseModel):
    """That a team takes part."""

    challenge: str
    team_id: str
    state: Literal["approved"] = "approved"


def make_router(context: Context) -> APIRouter:
    """The routes of challenges."""
    router = APIRouter(tags=["challenges"])

    @router.post("/v1/challenges", status_code=HTTPStatus.CREATED)
    def create(
        new: NewChallenge, response: Response, organiser: Annotated[Principal, Depends(context.administrator)]
    ) -> Challenge:
        """Create a challenge on a prepared problem."""
        rules, position = create_challenge(context.engine, new, organiser.user_id, context.settings.pools)
        response.headers[POSITION_HEADER] = str(position)
        return Challenge(
            id=rules.challenge_id,
            title=rules.title,
            problem=rules.problem_id,
            problem_version=rules.problem_version,
            opens_at=rules.opens_at,
            code_opens_at=rules.code_opens_at,
            closes_at=rules.closes_at,
            pool=rules.pool,
            limits=rules.limits,
            log_policy=rules.log_policy,
            team_log_bytes=rules.team_log_bytes,
            ensemble_size=rules.ensemble_size,
            ensemble_min_improvement=rules.ensemble_min_improvement,
        )

    @router.post("/v1/challenges/{challenge_id}/joins", status_code=HTTPStatus.CREATED)
    def join(challenge_id: str, response: Response, person: Annotated[Principal, Depends(context.person)]) -> Join:
        """Take part with your team. Joining twice is joining once."""
        with context.engine.connect() as connection:
            team_id = account_of(connection, person).team_id
        position = join_challenge(context.engine, challenge_id, team_id, person.user_id)
        response.headers[POSITION_HEADER] = str(position)
        return Join(challenge=challenge_id, team_id=str(team_id))

    return router
