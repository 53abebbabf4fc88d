"""Submissions, their runs, folds and scores."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Event, Payload, Service, services
from shared.events.challenges import FoldLimits


class Outcome(StrEnum):
    """How a run ended: the closed list."""

    TRAINED = "trained"
    IMPORT_ERROR = "import_error"
    TRAIN_ERROR = "train_error"
    PREDICT_ERROR = "predict_error"
    BAD_PREDICTIONS = "bad_predictions"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    CRASHED = "crashed"
    WITHDRAWN = "withdrawn"
    KIT_ERROR = "kit_error"
    ENVIRONMENT_ERROR = "environment_error"
    SYSTEM_ERROR = "system_error"

    @property
    def is_ours(self) -> bool:
        """Whether the fault is the kit's or the platform's: never charged to a team."""
        return self in {Outcome.KIT_ERROR, Outcome.ENVIRONMENT_ERROR, Outcome.SYSTEM_ERROR}


class FoldUsage(Payload):
    """What one fold took, measured by the trainer."""

    train_time_s: float = Field(ge=0)
    valid_time_s: float = Field(ge=0)
    test_time_s: float = Field(ge=0)
    peak_memory_bytes: int = Field(ge=0)


class SubmissionUploaded(Event):
    """A team handed in files under a name."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.ORCHESTRATOR, Service.LEADERBOARD, Service.MAILER)

    submission_id: UUID
    challenge_id: str
    team_id: UUID
    user_id: UUID
    name: str
    #: Bucket `submissions`, `sha256/<digest>`: the files as one bundle.
    bundle_digest: str
    files: tuple[str, ...]
    problem_id: str
    problem_version: int
    pool: str
    limits: FoldLimits

    @property
    def stream(self) -> str:
        return f"submission-{self.submission_id}"


class RunEvent(Event):
    """What all events of one run share."""

    run_id: UUID
    submission_id: UUID

    @property
    def stream(self) -> str:
        return f"run-{self.run_id}"


class TrainingRequested(RunEvent):
    """A run may be trained; a trainer of the pool takes it. Holds all that a trainer needs, since it has no database."""

    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.TRAINER, Service.LEADERBOARD)

    challenge_id: str
    attempt: int = Field(ge=1)
    pool: str
    bundle_digest: str
    manifest_digest: str
    environment_digest: str
    n_folds: int = Field(ge=1)
    limits: FoldLimits

    @property
    def routing_key(self) -> str:
        return f"TrainingRequested.{self.pool}"


class TrainingStarted(RunEvent):
    """A trainer began an attempt: from here on a dead machine costs an attempt."""

    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.LEADERBOARD)

    attempt: int = Field(ge=1)
    #: Fresh for every start, so that a redelivered request counts as another begun attempt.
    execution_id: UUID
    trainer: str


class FoldTrained(RunEvent):
    """The predictions of one fold are stored."""

    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.LEADERBOARD)

    attempt: int = Field(ge=1)
    fold: int = Field(ge=0)
    #: Bucket `runs`, key `<pool>/<run>/fold-<fold>/<digest>`: predictions of this fold.
    predictions_digest: str
    #: Bucket `runs`, key `<pool>/<run>/log-<fold>/<digest>`.
    log_digest: str
    usage: FoldUsage


class TrainingFinished(RunEvent):
    """A run ended, with an outcome from the closed list."""

    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.SCORER, Service.LEADERBOARD, Service.MAILER)

    attempt: int = Field(ge=1)
    outcome: Outcome
    #: What happened, in words for the participant; empty for `trained`.
    reason: str
    #: The fold that failed, or None.
    fold: int | None
    #: Bucket `runs`, key `<pool>/<run>/traceback/<digest>`: the traceback of the participant's own code.
    traceback_digest: str | None
    #: Bucket `runs`, key `<pool>/<run>/log-<fold>/<digest>`: the log of the fold that failed.
    log_digest: str | None
    pool: str
    #: Digests of the folds' predictions in order; empty unless `trained`.
    predictions_digests: tuple[str, ...] = ()


Split = Literal["train", "valid", "test"]


class FoldScore(Payload):
    """One metric of one fold; None where a split has no score."""

    metric: str
    fold: int = Field(ge=0)
    train: float | None
    valid: float | None
    test: float | None


class BaggedScore(Payload):
    """One metric after bagging folds: for every prefix of the folds, the last of which is the score."""

    metric: str
    valid: tuple[float | None, ...]
    #: Empty for a kit without a test set.
    test: tuple[float | None, ...]


class ScoreComputed(RunEvent):
    """The predictions of a run were scored against labels that only the scorer reads."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)

    challenge_id: str
    problem_version: int
    folds: tuple[FoldScore, ...]
    bagged: tuple[BaggedScore, ...]

    @property
    def stream(self) -> str:
        return f"score-{self.run_id}"


class ScoringFailed(RunEvent):
    """The predictions of a run could not be scored: the kit's fault or ours, never the team's."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)

    challenge_id: str
    outcome: Literal["kit_error", "environment_error", "system_error"]
    reason: str
    #: Bucket `private`, `details/<digest>`: the traceback of the organiser's code, for the organiser.
    detail_digest: str | None

    @property
    def stream(self) -> str:
        return f"score-{self.run_id}"
