"""The shapes of the API's answers about other runs of a submission and other versions of a challenge's problem."""

from __future__ import annotations

from typing import Any, TypedDict


class RetrainingItem(TypedDict):
    """A submission that was to be trained once more.

    `state`: `requested`; `already` (it was trained again on that version before); `under-way`; `not-trained` (withdrawn, or its own
    code failed and it was not asked for by its id). `run`: the number of its newest run.
    """

    submission: str
    name: str
    run: int
    state: str


class Retraining(TypedDict):
    """What was asked for, and what there was already."""

    challenge: str
    problem_version: int
    items: list[RetrainingItem]


class Reproduction(TypedDict):
    """A run that was asked for, to be compared with `of_run`."""

    submission: str
    run: int
    of_run: int


class ScoreComparison(TypedDict):
    """A metric of two runs. `standard_error`: of the first over its folds; `within_noise`: None where nobody can tell."""

    metric: str
    before: float | None
    after: float | None
    difference: float | None
    standard_error: float | None
    within_noise: bool | None


class Comparison(TypedDict):
    """A run beside the one that it reproduces; `same_predictions`, fold by fold, and `repeats`, all of them: bit for bit."""

    same_predictions: list[bool]
    scores: list[ScoreComparison]
    repeats: bool
    within_noise: bool | None


class Run(TypedDict):
    """One training of a submission; the first is the upload's."""

    number: int
    run_id: str
    #: `first`, `retrain` or `reproduce`.
    purpose: str
    #: The number of the run that it is compared with.
    of_run: int | None
    problem_version: int
    #: requested, queued, training, trained, scored, failed or withdrawn.
    state: str
    outcome: str | None
    #: Whether boards show it.
    is_shown: bool
    requested_at: str
    finished_at: str | None
    folds_done: int
    n_folds: int | None
    #: Why it failed, for those who may read it.
    reason: str | None
    environment_digest: str | None
    conditions: dict[str, Any] | None
    scores: dict[str, float | None] | None
    comparison: Comparison | None


class Runs(TypedDict):
    """All runs of a submission, in order."""

    submission: str
    items: list[Run]


class RescoringStep(TypedDict):
    """How it stands with a version: `requested`, `computed`, `confirmed` or `adopted`."""

    challenge: str
    problem_version: int
    state: str


class RankMove(TypedDict):
    """A team whose place on the competition board moves; None: it has none."""

    team: str
    before: int | None
    after: int | None
    score_before: float | None
    score_after: float | None


class MissingScore(TypedDict):
    """A submission that has no score by the version, and why."""

    team: str
    submission: str
    submission_id: str
    why: str


class Rescoring(TypedDict):
    """A challenge on its way to another version of its problem."""

    challenge: str
    problem_version: int
    from_version: int
    #: requested, computed (the dry run is done), confirmed or adopted.
    state: str
    n_scored: int
    n_submissions: int
    n_failed: int | None
    n_to_retrain: int | None
    adopted_at_position: int | None
    #: The official one, which ranks.
    metric: str
    metric_before: str
    moves: list[RankMove]
    missing: list[MissingScore]
