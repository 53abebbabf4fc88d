"""Route: the runs of a submission."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel

from services.leaderboard.api.context import Context
from services.leaderboard.api.submissions import load_submission
from services.leaderboard.challenges import find_challenge
from services.leaderboard.runs import Compared, Comparison, Run, runs_of
from services.leaderboard.submissions import Submission
from shared.events import FoldTrained, RunConditions, ScoringFailed, TrainingFinished
from shared.visibility import Viewer, sees_traceback


class ComparedMetric(BaseModel):
    """A metric of a run and of its reproduction, on validation rows. `standard_error`: of the first over its folds.

    `within_noise`: they differ by no more than that; null where that is not known.
    """

    metric: str
    before: float | None
    after: float | None
    difference: float | None
    standard_error: float | None
    within_noise: bool | None


class RunComparison(BaseModel):
    """A reproduction beside the run that it repeats. `same_predictions`: of each fold, whether they are the same bit for bit."""

    same_predictions: list[bool]
    repeats: bool
    within_noise: bool | None
    scores: list[ComparedMetric]


class SubmissionRun(BaseModel):
    """One training of a submission. `is_shown`: boards and the submission's page show this one.

    `scores`: by the version of the problem that it was trained on, on validation rows. `comparison`: of a reproduction, once both are
    scored.
    """

    number: int
    run_id: UUID
    purpose: Literal["first", "retrain", "reproduce"]
    of_run: int | None
    problem_version: int
    state: Literal["requested", "queued", "training", "trained", "scored", "failed", "withdrawn"]
    outcome: str | None
    reason: str | None
    is_shown: bool
    requested_at: AwareDatetime
    finished_at: AwareDatetime | None
    folds_done: int
    n_folds: int | None
    environment_digest: str | None
    conditions: RunConditions | None
    scores: dict[str, float | None] | None
    comparison: RunComparison | None


class RunList(BaseModel):
    """All runs of a submission, the first one first."""

    submission: UUID
    items: list[SubmissionRun]


def make_router(context: Context) -> APIRouter:
    """The route of runs."""
    router = APIRouter(tags=["submissions"])

    @router.get("/v1/submissions/{submission_id}/runs")
    def runs(submission_id: UUID, viewer: Annotated[Viewer, Depends(context.viewer)]) -> RunList:
        """Every training of a submission: the one that its upload asked for, and those that were asked for later."""
        found = load_submission(context, submission_id)
        with context.engine.connect() as connection:
            policy = find_challenge(connection, found.challenge_id).log_policy
            all_of_it = runs_of(connection, submission_id)
        shows_reason = sees_traceback(viewer, found.team_id, policy)
        return RunList(
            submission=submission_id, items=[_shown(each, all_of_it, found, shows_reason=shows_reason) for each in all_of_it]
        )

    return router


def _shown(run: Run, all_of_it: list[Run], submission: Submission, *, shows_reason: bool) -> SubmissionRun:
    before = next((each for each in all_of_it if each.run_id == run.of_run_id), None)
    comparison = run.compared_with(before) if before else None
    end = run.end
    ended = end[1] if end else None
    failure = ended if isinstance(ended, TrainingFinished | ScoringFailed) else None
    return SubmissionRun.model_validate(
        {
            "number": run.number,
            "run_id": run.run_id,
            "purpose": run.purpose,
            "of_run": before.number if before else None,
            "problem_version": run.asked.problem_version,
            "state": run.state,
            "outcome": str(failure.outcome) if failure else "trained" if run.predictions else None,
            "reason": failure.reason or None if failure and shows_reason else None,
            "is_shown": run.number == submission.run_number,
            "requested_at": run.requested_at,
            "finished_at": end[0].recorded_at if end else None,
            "folds_done": sum(isinstance(event, FoldTrained) for _, event in run.facts),
            "n_folds": run.request.n_folds if run.request else None,
            "environment_digest": run.request.environment_digest if run.request else None,
            "conditions": run.conditions,
            "scores": run.scores,
            "comparison": _comparison(comparison) if comparison else None,
        }
    )


def _comparison(found: Comparison) -> RunComparison:
    return RunComparison(
        same_predictions=list(found.same_predictions),
        repeats=found.repeats,
        within_noise=found.within_noise,
        scores=[_metric(each) for each in found.scores],
    )


def _metric(found: Compared) -> ComparedMetric:
    return ComparedMetric(**vars(found), difference=found.difference)
