"""Route: the ensemble of a challenge, its members, and its score against their number."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from services.leaderboard.api.answers import CSV, JSON, tagged, wants_csv
from services.leaderboard.api.context import Context
from services.leaderboard.challenges import Challenge, challenge_as_of, find_challenge
from services.leaderboard.csv_text import csv_of
from services.leaderboard.ensembles import Ensemble, find_ensemble, of_split
from services.leaderboard.moments import Moment, moment_for
from services.leaderboard.submissions import submissions_on_boards
from shared.events import Metric
from shared.visibility import Viewer, sees_private_scores


class AskedEnsemble(BaseModel):
    """The ensemble as it was when, and how it is written."""

    at: str | None = Field(None, max_length=40, description="A ledger position, or a time with its zone.", examples=["1200"])
    format: Literal["json", "csv"] | None = Field(None, description="Else what `Accept` says. As CSV: the members.")


class Member(BaseModel):
    """A submission that was picked. `contributivity`: percent of the picks, averaged over folds."""

    rank: int
    team: str
    submission: str
    submission_id: str
    contributivity: int
    share: float = Field(description="The same, not rounded: all sum to 1.")


class CurvePoint(BaseModel):
    """The official metric on validation rows, of the ensembles of at most so many members."""

    n_members: int
    score: float | None


class PrivateCurvePoint(CurvePoint):
    """And on the test set."""

    test_score: float | None


class EnsemblePage(BaseModel):
    """An ensemble as of a ledger position. Scores on validation rows, bagged: of the folds' ensembles, and of each fold's best.

    `up_to_position`: what was scored later was no candidate yet. Before anything is scored, there are no members and no scores.
    """

    challenge: str
    position: int
    up_to_position: int
    n_candidates: int
    metrics: list[Metric]
    combined: dict[str, float | None]
    foldwise_best: dict[str, float | None]
    members: list[Member]
    curve: list[PrivateCurvePoint | CurvePoint]


class PrivateEnsemblePage(EnsemblePage):
    """What only administrators see before the challenge closes."""

    combined_test: dict[str, float | None]
    foldwise_best_test: dict[str, float | None]


def make_router(context: Context) -> APIRouter:
    """The route of ensembles."""
    router = APIRouter(tags=["boards"])
    viewers = Annotated[Viewer, Depends(context.viewer)]

    @router.get(
        "/v1/challenges/{challenge_id}/leaderboards/ensemble",
        response_model=PrivateEnsemblePage | EnsemblePage,
        responses={HTTPStatus.OK.value: {"content": {"text/csv": {}}}, HTTPStatus.NOT_MODIFIED.value: {}},
    )
    def ensemble(request: Request, challenge_id: str, viewer: viewers, asked: Annotated[AskedEnsemble, Query()]) -> Response:
        """The submissions that predict best together, and what each contributes; what they score, and with fewer members.

        With `at`, as it was at that moment. Scores on the test set are for those who may see private scores.
        """
        with context.engine.connect() as connection:
            challenge = find_challenge(connection, challenge_id)
            moment = moment_for(connection, challenge, asked.at)
            phase = challenge.phase_at(moment.recorded_at) if moment else challenge.phase
            page = _page(connection, challenge, moment, is_private=sees_private_scores(viewer, phase))
        if wants_csv(request, asked.format):
            return tagged(request, _members_as_csv(page), CSV, page.position)
        return tagged(request, page.model_dump_json(), JSON, page.position)

    return router


def _page(connection: Connection, challenge: Challenge, moment: Moment | None, *, is_private: bool) -> EnsemblePage:
    position = moment.position if moment else None
    if position is not None:
        challenge = challenge_as_of(connection, challenge, position)
    found = find_ensemble(connection, challenge, position)
    members = _members(connection, challenge, found, position) if found else []
    event = found.event if found else None
    page = EnsemblePage(
        challenge=challenge.challenge_id,
        position=position or (found.from_position if found else 0),
        up_to_position=event.up_to_position if event else 0,
        n_candidates=event.n_candidates if event else 0,
        metrics=list(challenge.problem.metrics),
        combined=of_split(event.combined if event else (), "valid"),
        foldwise_best=of_split(event.foldwise_best if event else (), "valid"),
        members=members,
        curve=[CurvePoint(n_members=each.n_members, score=each.valid) for each in (event.curve if event else ())],
    )
    if not is_private:
        return page
    curve = [
        PrivateCurvePoint(n_members=each.n_members, score=each.valid, test_score=each.test)
        for each in (event.curve if event else ())
    ]
    return PrivateEnsemblePage(
        **{**dict(page), "curve": curve},
        combined_test=of_split(event.combined if event else (), "test"),
        foldwise_best_test=of_split(event.foldwise_best if event else (), "test"),
    )


def _members(connection: Connection, challenge: Challenge, found: Ensemble, position: int | None) -> list[Member]:
    shares = found.shares
    standing = [
        each for each in submissions_on_boards(connection, challenge.challenge_id, position) if each.submission_id in shares
    ]
    # The largest first; of equal ones the earlier.
    standing.sort(key=lambda each: (-shares[each.submission_id], each.submitted_at, each.submission_id))
    return [
        Member(
            rank=rank,
            team=each.team,
            submission=each.name,
            submission_id=str(each.submission_id),
            contributivity=found.percent_of(each.submission_id),
            share=shares[each.submission_id],
        )
        for rank, each in enumerate(standing, start=1)
    ]


def _members_as_csv(page: EnsemblePage) -> str:
    header = ["rank", "team", "submission", "contributivity", "share"]
    return csv_of(header, [[each.rank, each.team, each.submission, each.contributivity, each.share] for each in page.members])
