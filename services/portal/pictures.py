"""The pictures of a challenge: out of what the read API says, in the words of the page. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from services.portal.plots import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MAX_LINES,
    RIGHT,
    TOP,
    WIDTH,
    Line,
    Mark,
    Picture,
    Scale,
    Tick,
    across,
    number_ticks,
    stairs,
    straight,
    thinned,
    time_ticks,
    upwards,
)
from services.portal.rendering import score
from services.portal.views import (
    BaggingPoint,
    Day,
    EnsemblePoint,
    Metric,
    PlotData,
    ProgressPoint,
    ScorePoint,
    SubmissionPoint,
    TrainingTimePoint,
)

FrontPoint = TypeVar("FrontPoint", ScorePoint, TrainingTimePoint)
Curve = TypeVar("Curve", bound=SubmissionPoint)
Key = TypeVar("Key", str, UUID)


def scores_picture(data: PlotData[ScorePoint]) -> Picture | None:
    """Scores against time; None where there is nothing to see, as for all of these."""
    words = _Words(
        "Scores over time", "Each point is a submission; the line is the best so far.", "handed in (UTC)", is_time=True
    )
    return _front(data, [point.submitted_at.timestamp() for point in data.points], words)


def training_times_picture(data: PlotData[TrainingTimePoint]) -> Picture | None:
    """Scores against seconds of training."""
    description = "Each point is a submission; the line joins those that nothing as fast or faster equals."
    words = _Words("Scores and training time", description, "training, seconds")
    return _front(data, [point.train_time_s for point in data.points], words)


def progress_picture(data: PlotData[ProgressPoint]) -> Picture | None:
    """The best score so far of the teams that are the best now."""
    if data.metric is None or not data.points:
        return None
    teams: dict[str, list[ProgressPoint]] = {}
    for point in data.points:
        teams.setdefault(point.team, []).append(point)
    best = _best(teams, data.metric)
    points = [point for each in best.values() for point in each]
    x, y = across([point.submitted_at.timestamp() for point in points]), upwards([point.score for point in points])
    lines = [
        Line(number, team, stairs([(x(each.submitted_at.timestamp()), y(each.score)) for each in steps], WIDTH - RIGHT))
        for number, (team, steps) in enumerate(best.items())
    ]
    description = f"The best score so far of each team: {_how_many(len(best), len(teams), 'teams')}."
    return _of_lines(data.metric, x, y, lines, _Words("Teams' progress", description, "handed in (UTC)", is_time=True))


def bagging_picture(data: PlotData[BaggingPoint]) -> Picture | None:
    """Scores against the number of bagged folds, of the submissions that are the best in the end."""
    if data.metric is None or not any(point.n_folds > 1 for point in data.points):
        return None
    submissions: dict[UUID, list[BaggingPoint]] = {}
    for point in data.points:
        submissions.setdefault(point.submission_id, []).append(point)
    best = _best(submissions, data.metric)
    points = [point for each in best.values() for point in each]
    x, y = across([point.n_folds for point in points]), upwards([point.score for point in points])
    lines = [
        Line(number, f"{curve[0].team}, {curve[0].submission}", straight([(x(each.n_folds), y(each.score)) for each in curve]))
        for number, curve in enumerate(best.values())
    ]
    description = (
        f"The score of the first folds, bagged, by their number: {_how_many(len(best), len(submissions), 'submissions')}."
    )
    return _of_lines(data.metric, x, y, lines, _Words("Bagging", description, "folds"))


def ensemble_picture(data: PlotData[EnsemblePoint]) -> Picture | None:
    """The ensemble's score against its members."""
    if data.metric is None or len(data.points) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    x, y = across([point.n_members for point in data.points]), upwards([point.score for point in data.points])
    ends = [score(point.score, data.metric.precision) for point in (data.points[0], data.points[-1])]
    words = f"The best submissions combined: {ends[0]} with one on each fold, {ends[1]} with up to {data.points[-1].n_members}."
    lines = [Line(0, "ensemble", straight([(x(point.n_members), y(point.score)) for point in data.points]))]
    return _of_lines(data.metric, x, y, lines, _Words("Ensemble", words, "members"))


def submissions_picture(data: PlotData[Day]) -> Picture | None:
    """How many submissions were handed in each day."""
    if not data.points:
        return None
    days = data.points
    most = max(each.submissions for each in days)
    x, y = Scale(-0.5, len(days) - 0.5, LEFT, WIDTH - RIGHT), Scale(0, most * 1.05 or 1, HEIGHT - BOTTOM, TOP)
    busiest = next(each for each in days if each.submissions == most)
    total = sum(each.submissions for each in days)
    return Picture(
        title="Submissions a day",
        description=f"{_count(total, 'submission')} on {_count(len(days), 'day')}; most on {busiest.day:%-d %B %Y}: {most}.",
        x_label="day (UTC)",
        y_label="submissions",
        x_ticks=[Tick(x(number), f"{days[number].day:%-d %b}") for number in range(0, len(days), math.ceil(len(days) / 6))],
        y_ticks=[tick for tick in number_ticks(y) if tick.words.replace(",", "").isdigit()],
        bars=[
            Mark(x(number), y(each.submissions), f"{each.day:%-d %B %Y}: {each.submissions}") for number, each in enumerate(days)
        ],
        bar_width=round(0.8 * (WIDTH - RIGHT - LEFT) / len(days), 2),
    )


@dataclass(frozen=True)
class _Words:
    title: str
    description: str
    x_label: str
    is_time: bool = False


def _front(data: PlotData[FrontPoint], xs: Sequence[float], words: _Words) -> Picture | None:
    """Points and the front through those that are on it."""
    if data.metric is None or not data.points:
        return None
    metric = data.metric
    x, y = across(xs), upwards([point.score for point in data.points])
    marks = [
        Mark(x(at), y(point.score), f"{point.team}, {point.submission}: {score(point.score, metric.precision)}", point.on_front)
        for at, point in zip(xs, data.points, strict=True)
    ]
    shown, is_thinned = thinned(marks)
    front = stairs([(mark.x, mark.y) for mark in marks if mark.is_special], WIDTH - RIGHT)
    best = [mark for mark in marks if mark.is_special][-1]
    return Picture(
        title=words.title,
        description=f"{words.description} {_count(len(marks), 'submission')}; the best is {best.words}.",
        x_label=words.x_label,
        y_label=metric.name,
        x_ticks=time_ticks(x) if words.is_time else number_ticks(x),
        y_ticks=number_ticks(y),
        marks=shown,
        front=front,
        is_thinned=is_thinned,
    )


def _of_lines(metric: Metric, x: Scale, y: Scale, lines: Sequence[Line], words: _Words) -> Picture:
    return Picture(
        title=words.title,
        description=words.description,
        x_label=words.x_label,
        y_label=metric.name,
        x_ticks=time_ticks(x) if words.is_time else number_ticks(x),
        y_ticks=number_ticks(y),
        lines=lines,
    )


def _best(curves: Mapping[Key, list[Curve]], metric: Metric) -> dict[Key, list[Curve]]:
    """The few that end best, the best first."""
    sign = 1 if metric.is_lower_the_better else -1
    ordered = sorted(curves.items(), key=lambda item: sign * item[1][-1].score)
    return dict(ordered[:MAX_LINES])


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _how_many(shown: int, of: int, what: str) -> str:
    return f"all {of} {what}" if shown == of else f"the {shown} best of {of} {what}"


#: By the kind of plot, in the order of the page: what the read API answers, and how that is drawn.
PICTURES: dict[str, tuple[type[Any], Callable[[Any], Picture | None]]] = {
    "scores": (PlotData[ScorePoint], scores_picture),
    "progress": (PlotData[ProgressPoint], progress_picture),
    "training-times": (PlotData[TrainingTimePoint], training_times_picture),
    "bagging": (PlotData[BaggingPoint], bagging_picture),
    "ensemble": (PlotData[EnsemblePoint], ensemble_picture),
    "submissions": (PlotData[Day], submissions_picture),
}
