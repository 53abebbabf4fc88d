"""Routes: grades and code of everybody in a challenge, for its organiser and administrators."""

from dataclasses import astuple, fields, replace
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import Connection

from services.leaderboard.api.answers import CSV, JSON, wants_csv
from services.leaderboard.api.context import Context
from services.leaderboard.challenges import Challenge, find_challenge
from services.leaderboard.code_archive import zip_of
from services.leaderboard.csv_text import csv_of
from services.leaderboard.grades import Grade, grades_of, handed_in, organiser_of
from shared.events import Metric
from shared.http import Problem
from shared.http.identity import unauthorised
from shared.visibility import Viewer, sees_grades, sees_private_scores

#: Names of persons: nobody else's, and no proxy's.
PRIVATE = {"Cache-Control": "no-store", "Vary": "Accept, Authorization"}


class Grades(BaseModel):
    """Everybody who takes part: by rank, those without a score last.

    What concerns the test set is null until the challenge is closed, but for administrators.
    """

    challenge: str
    metric: Metric
    grades: list[Grade]


def make_router(context: Context) -> APIRouter:
    """The routes of grades."""
    router = APIRouter(tags=["grades"])
    viewers = Annotated[Viewer, Depends(context.viewer)]

    @router.get(
        "/v1/challenges/{challenge_id}/grades",
        response_model=Grades,
        responses={HTTPStatus.OK.value: {"content": {"text/csv": {}}}},
    )
    def grades(
        request: Request,
        challenge_id: str,
        viewer: viewers,
        wanted: Annotated[Literal["json", "csv"] | None, Query(alias="format", description="Else what `Accept` says.")] = None,
    ) -> Response:
        """A grade for each person who takes part, for the challenge's organiser and administrators."""
        with context.engine.connect() as connection:
            challenge = _graded(connection, challenge_id, viewer)
            found = grades_of(connection, challenge)
        if not sees_private_scores(viewer, challenge.phase):
            found = [replace(each, private_rank=None, private_score=None) for each in found]
        if wants_csv(request, wanted):
            content = csv_of([column.name for column in fields(Grade)], [astuple(each) for each in found])
            return Response(content, media_type=CSV, headers=PRIVATE)
        page = Grades(challenge=challenge_id, metric=challenge.problem.metrics[0], grades=found)
        return Response(page.model_dump_json(), media_type=JSON, headers=PRIVATE)

    @router.get("/v1/challenges/{challenge_id}/grades/code", response_class=StreamingResponse)
    def code(challenge_id: str, viewer: viewers) -> StreamingResponse:
        """Everything that was handed in, as a zip: a folder for each team, in it one for each submission, and an `index.csv`."""
        with context.engine.connect() as connection:
            _graded(connection, challenge_id, viewer)
            submissions = handed_in(connection, challenge_id)
        headers = {**PRIVATE, "Content-Disposition": f'attachment; filename="{challenge_id}-code.zip"'}
        return StreamingResponse(zip_of(context.store, submissions), media_type="application/zip", headers=headers)

    return router


def _graded(connection: Connection, challenge_id: str, viewer: Viewer) -> Challenge:
    """The challenge, for who may see its grades. Raises a `Problem`: 404, 401 or 403."""
    challenge = find_challenge(connection, challenge_id)
    if viewer.user_id is None:
        raise unauthorised("Grades are for the challenge's organiser. Log in: palio login, or POST /v1/tokens.")
    if not sees_grades(viewer, organiser_of(connection, challenge_id)):
        detail = "Grades are for the challenge's organiser and administrators. Ask one of them."
        raise Problem(HTTPStatus.FORBIDDEN, "not-organiser", detail)
    return challenge
