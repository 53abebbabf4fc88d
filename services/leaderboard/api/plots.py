"""Routes: the data of plots, as JSON and as CSV. They show public scores to everybody, and private ones to who may see private boards."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import Connection

from services.leaderboard import plots
from services.leaderboard.api.answers import CSV, JSON, tagged, wants_csv
from services.leaderboard.api.boards import check_sees
from services.leaderboard.api.context import Context
from services.leaderboard.boards import Board
from services.leaderboard.challenges import Challenge, challenge_as_of, find_challenge
from services.leaderboard.csv_text import csv_of
from services.leaderboard.ensembles import Ensemble, find_ensemble
from services.leaderboard.moments import Moment, moment_for
from services.leaderboard.submissions import Submission, submission_times, submissions_on_boards
from shared.events import Metric
from shared.final_scores import RankedSplit
from shared.http import Problem
from shared.visibility import Viewer


class Plot(StrEnum):
    """What is plotted."""

    SCORES = "scores"
    TRAINING_TIMES = "training-times"
    SUBMISSIONS = "submissions"
    BAGGING = "bagging"
    PROGRESS = "progress"
    ENSEMBLE = "ensemble"


class AskedPlot(BaseModel):
    """Which numbers, as they stood when, and how they are written."""

    metric: str | None = Field(None, max_length=200, description="Else the official one.")
    split: RankedSplit = Field("valid", description="`test`: private scores, which have their time.")
    team: str | None = Field(None, max_length=200, description="Only this team's.")
    at: str | None = Field(None, max_length=40, description="A ledger position, or a time with its zone: as it stood then.")
    format: Literal["json", "csv"] | None = Field(None, description="Else what `Accept` says.")


class SubmissionPoint(BaseModel):
    """A submission on a plot."""

    team: str
    submission: str
    submission_id: str
    score: float


class ScorePoint(SubmissionPoint):
    """`on_front`: it was the best so far."""

    submitted_at: AwareDatetime
    on_front: bool


class TrainingTimePoint(SubmissionPoint):
    """Seconds, summed over folds. `on_front`: nothing that trains as fast or faster is as good."""

    train_time_s: float
    on_front: bool


class ProgressPoint(SubmissionPoint):
    """A submission that was its team's best so far."""

    submitted_at: AwareDatetime


class BaggingPoint(SubmissionPoint):
    """The score of the first `n_folds` folds, bagged."""

    n_folds: int


class Day(BaseModel):
    """A day of UTC, and how many submissions were handed in on it, whatever became of them."""

    day: date
    submissions: int


class EnsemblePoint(BaseModel):
    """The score of the challenge's ensemble with at most `n_members` members on each fold."""

    n_members: int
    score: float


Points = list[ScorePoint] | list[TrainingTimePoint] | list[ProgressPoint] | list[BaggingPoint] | list[EnsemblePoint] | list[Day]


class PlotPage(BaseModel):
    """The points of a plot. `metric` and `split` say what `score` is; null where there is none."""

    challenge: str
    kind: Plot
    metric: Metric | None
    split: RankedSplit | None
    points: Points


def make_router(context: Context) -> APIRouter:
    """The routes of plots."""
    router = APIRouter(tags=["boards"])
    viewers = Annotated[Viewer, Depends(context.viewer)]

    @router.get(
        "/v1/challenges/{challenge_id}/plots/{kind}",
        response_model=PlotPage,
        responses={HTTPStatus.OK.value: {"content": {"text/csv": {}}}, HTTPStatus.NOT_MODIFIED.value: {}},
    )
    def plot(request: Request, challenge_id: str, kind: Plot, viewer: viewers, asked: Annotated[AskedPlot, Query()]) -> Response:
        """The points of a plot.

        `scores`: against time, with the front of the best so far. `training-times`: against seconds of training, with the front of
        what nothing faster equals. `progress`: each team's best so far. `bagging`: against the number of folds that are bagged.
        `submissions`: how many a day. `ensemble`: the official metric of the ensemble, against its members.
        """
        with context.engine.connect() as connection:
            challenge = find_challenge(connection, challenge_id)
            moment = moment_for(connection, challenge, asked.at)
            if asked.split == "test":
                check_sees(viewer, Board.PRIVATE, challenge.phase_at(moment.recorded_at) if moment else challenge.phase)
            page = read_plot(connection, challenge, kind, asked, moment)
        if wants_csv(request, asked.format):
            return tagged(request, _as_csv(page), CSV)
        return tagged(request, page.model_dump_json(), JSON)

    return router


def read_plot(
    connection: Connection, challenge: Challenge, kind: Plot, asked: AskedPlot, moment: Moment | None = None
) -> PlotPage:
    """A plot as it stands, or stood. Raises a 422 `Problem` for a metric that the challenge does not have."""
    if moment is not None:
        challenge = challenge_as_of(connection, challenge, moment.position)
    if kind is Plot.SUBMISSIONS:
        times = submission_times(connection, challenge.challenge_id, asked.team, moment.position if moment else None)
        days = [Day(day=day, submissions=count) for day, count in plots.a_day(times)]
        return PlotPage(challenge=challenge.challenge_id, kind=kind, metric=None, split=None, points=days)
    metric = _metric(challenge, asked.metric)
    if kind is Plot.ENSEMBLE:
        points = _ensemble_points(find_ensemble(connection, challenge, moment.position if moment else None), asked.split)
        official = challenge.problem.metrics[0]
        return PlotPage(challenge=challenge.challenge_id, kind=kind, metric=official, split=asked.split, points=points)
    standing = submissions_on_boards(connection, challenge.challenge_id, moment.position if moment else None)
    shown = [each for each in standing if asked.team is None or each.team == asked.team]
    return PlotPage(
        challenge=challenge.challenge_id,
        kind=kind,
        metric=metric,
        split=asked.split,
        points=_points(kind, shown, challenge, metric, asked.split),
    )


def _ensemble_points(ensemble: Ensemble | None, split: RankedSplit) -> list[EnsemblePoint]:
    curve = ensemble.event.curve if ensemble else ()
    scores = ((each.n_members, getattr(each, split)) for each in curve)
    return [EnsemblePoint(n_members=n_members, score=score) for n_members, score in scores if score is not None]


def _points(kind: Plot, shown: Sequence[Submission], challenge: Challenge, metric: Metric, split: RankedSplit) -> Points:
    scored = plots.scored_by(shown, metric, split, challenge.problem.score_kind)
    match kind:
        case Plot.SCORES:
            return [
                ScorePoint(
                    **_of(each.submission), score=each.score, submitted_at=each.submission.submitted_at, on_front=each.on_front
                )
                for each in plots.over_time(scored, metric)
            ]
        case Plot.TRAINING_TIMES:
            return [
                TrainingTimePoint(**_of(each.submission), score=each.score, train_time_s=each.x, on_front=each.on_front)
                for each in plots.over_training_time(scored, metric)
            ]
        case Plot.PROGRESS:
            return [
                ProgressPoint(**_of(each.submission), score=each.score, submitted_at=each.submission.submitted_at)
                for each in plots.progress(scored, metric)
            ]
        case _:
            return [
                BaggingPoint(**_of(each.submission), n_folds=n_folds, score=score)
                for each in scored
                for n_folds, score in plots.bagging_curve(each.submission, metric, split)
            ]


def _of(submission: Submission) -> dict[str, str]:
    return {"team": submission.team, "submission": submission.name, "submission_id": str(submission.submission_id)}


def _metric(challenge: Challenge, name: str | None) -> Metric:
    metrics = challenge.problem.metrics
    found = metrics[0] if name is None else next((each for each in metrics if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in metrics)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown-metric", f"The metrics of this challenge are: {known}.")
    return found


#: What stands in the columns of each plot's CSV, with and without points.
_POINTS: dict[Plot, type[BaseModel]] = {
    Plot.SCORES: ScorePoint,
    Plot.TRAINING_TIMES: TrainingTimePoint,
    Plot.SUBMISSIONS: Day,
    Plot.BAGGING: BaggingPoint,
    Plot.PROGRESS: ProgressPoint,
    Plot.ENSEMBLE: EnsemblePoint,
}


def _as_csv(page: PlotPage) -> str:
    rows = [each.model_dump(mode="json") for each in page.points]
    return csv_of(list(_POINTS[page.kind].model_fields), [list(row.values()) for row in rows])
