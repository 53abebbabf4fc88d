"""Submissions, their runs, folds and scores."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, model_validator

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


Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PartUsage(Payload):
    """What training or predicting took, by all processes of the sandbox together, measured outside of it."""

    wall_time_s: Seconds
    cpu_time_s: Seconds
    peak_memory_bytes: int = Field(ge=0)


class FoldUsage(Payload):
    """What one fold took. The first three are the runner's own times: a submission can lie about them, up to the wall time.

    The others are measured outside. Where training ends and prediction begins is what the submission says; their sum is not.
    """

    train_time_s: Seconds
    valid_time_s: Seconds
    test_time_s: Seconds
    peak_memory_bytes: int = Field(ge=0)
    #: None for what was recorded before it was measured.
    training: PartUsage | None = None
    prediction: PartUsage | None = None


class RunConditions(Payload):
    """What was fixed in a run, and what else its numbers depend on."""

    seed: int = Field(ge=0, lt=2**32)
    hash_seed: int = Field(ge=0, lt=2**32)
    threads: int = Field(ge=1, lt=2**16)
    python_version: str = Field(max_length=50, pattern=r"^[^\x00]*$")
    #: System, machine and C library.
    platform: str = Field(max_length=200, pattern=r"^[^\x00]*$")


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


class RunRequested(RunEvent):
    """A submission is to be trained once more. The first run of a submission needs no request: its upload is one.

    `retrain`: the run takes the place of the one before on the boards, once it is scored. `reproduce`: it is compared with `of_run_id`,
    whose data and environment it gets, and stands on no board.
    """

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.ORCHESTRATOR, Service.LEADERBOARD)

    challenge_id: str
    team_id: UUID
    #: Of this submission's runs; its upload asked for number 1.
    number: int = Field(ge=2)
    purpose: Literal["retrain", "reproduce"]
    #: None for a retraining.
    of_run_id: UUID | None
    problem_id: str
    problem_version: int = Field(ge=1)
    pool: str
    limits: FoldLimits
    user_id: UUID
    #: The requester's words, for whoever reads the history.
    reason: str = Field(max_length=500)

    @property
    def stream(self) -> str:
        return f"submission-{self.submission_id}"

    @model_validator(mode="after")
    def _of_what(self) -> "RunRequested":
        if (self.of_run_id is None) != (self.purpose == "retrain"):
            message = "a reproduction names the run that it is compared with, a retraining none"
            raise ValueError(message)
        return self


class WorkRequest(RunEvent):
    """What a trainer needs to know to train, all of it, since it has no database."""

    challenge_id: str
    #: 1 for the first time that this is requested.
    attempt: int = Field(ge=1)
    pool: str
    bundle_digest: str
    manifest_digest: str
    environment_digest: str
    n_folds: int = Field(ge=1)
    limits: FoldLimits
    #: How much of what is printed may be sent while it is printed; 0 where the challenge's log policy shows none.
    live_log_bytes: int = Field(ge=0)

    @property
    def routing_key(self) -> str:
        return f"{type(self).__name__}.{self.pool}"


class TrainingRequested(WorkRequest):
    """A run's turn has come; a trainer of the pool takes it: the first fold, and if that is quick all the others."""

    schema_version = 2
    upcasters: ClassVar = {1: lambda data: {**data, "live_log_bytes": 0}}
    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.TRAINER, Service.LEADERBOARD)


class FoldsShared(RunEvent):
    """Folds of a run are left for any trainer of the pool, each requested when its turn comes: they are slow, or a machine died."""

    appended_by = services(Service.ORCHESTRATOR)

    folds: tuple[int, ...]


class FoldRequested(WorkRequest):
    """The turn of one shared fold has come; a trainer of the pool takes it."""

    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.TRAINER)

    fold: int = Field(ge=0)


class RequestReturned(RunEvent):
    """A trainer did not do, or not finish, what was requested; it will be requested again, as the next attempt."""

    schema_version = 2
    #: Version 2 has a reason more.
    upcasters: ClassVar = {1: lambda data: data}
    appended_by = services(Service.ORCHESTRATOR)

    attempt: int = Field(ge=1)
    #: The shared fold that was requested, or None for the run's first request.
    fold: int | None
    #: The start that the trainer gave up by itself, which costs no attempt; None if it had not begun, or is not known.
    execution_id: UUID | None
    #: The trainer stops; it came a second time, since whoever had it died; the machine failed; nobody has it any more; it was
    #: begun longer ago than its time limits allow.
    reason: Literal["stopping", "redelivered", "machine_failed", "lost", "overdue"]


class SubmissionWithdrawn(RunEvent):
    """Its team took it back before its training was over. The run ends here, whatever a trainer says later."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.ORCHESTRATOR, Service.LEADERBOARD)

    challenge_id: str
    user_id: UUID
    pool: str
    #: Whether a trainer had begun: only then does it count against quotas.
    had_begun: bool


class TrainingStarted(RunEvent):
    """A trainer began an attempt: from here on a dead machine costs an attempt."""

    schema_version = 2
    upcasters: ClassVar = {1: lambda data: {**data, "fold": None, "conditions": None}}
    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.LEADERBOARD)

    attempt: int = Field(ge=1)
    #: Fresh for every start, so that a redelivered request counts as another begun attempt.
    execution_id: UUID
    trainer: str
    #: The shared fold that it began, or None for the run's first request.
    fold: int | None = Field(ge=0)
    #: None for what was recorded before they were.
    conditions: RunConditions | None = None


class FoldTrained(RunEvent):
    """The predictions of one fold are stored."""

    schema_version = 2
    upcasters: ClassVar = {
        1: lambda data: {**data, "usage": {**data["usage"], "training": None, "prediction": None}, "log_bytes": None}
    }
    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.LEADERBOARD)

    attempt: int = Field(ge=1)
    fold: int = Field(ge=0)
    #: Bucket `runs`, key `<pool>/<run>/fold-<fold>/<digest>`: predictions of this fold.
    predictions_digest: str
    #: Bucket `runs`, key `<pool>/<run>/log-<fold>/<digest>`.
    log_digest: str
    #: The length of the kept log; None for what was recorded before it was told.
    log_bytes: int | None = Field(None, ge=0)
    usage: FoldUsage


class TrainingFinished(RunEvent):
    """A run ended, with an outcome from the closed list."""

    schema_version = 2
    upcasters: ClassVar = {1: lambda data: {**data, "log_bytes": None}}
    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.ORCHESTRATOR, Service.SCORER, Service.LEADERBOARD, Service.MAILER)

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
    #: The length of that log; None where there is none.
    log_bytes: int | None = Field(None, ge=0)
    pool: str
    #: Digests of the folds' predictions in order; empty unless `trained`.
    predictions_digests: tuple[str, ...] = ()


class ScoringRequested(RunEvent):
    """Nothing came of a trained run for so long that the scorer is asked again."""

    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.SCORER)

    #: 1 for the first time that it is asked for again.
    attempt: int = Field(ge=1)

    @property
    def stream(self) -> str:
        return f"score-{self.run_id}"


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


class ScoreEvent(RunEvent):
    """What all events share that say what predictions of a run are worth, by the metrics of a version of the problem."""

    challenge_id: str
    problem_version: int
    folds: tuple[FoldScore, ...]
    bagged: tuple[BaggedScore, ...]
    #: Bucket `private`, `details/<digest>`: why scores are missing, for the organiser; None where none is.
    detail_digest: str | None = None

    @property
    def stream(self) -> str:
        return f"score-{self.run_id}"


class ScoreComputed(ScoreEvent):
    """The predictions of a run were scored against labels that only the scorer reads, by the version that it was trained on."""

    schema_version = 2
    #: Version 2 has a digest more.
    upcasters: ClassVar = {1: lambda data: data}
    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER, Service.SCORER)


class RunRescored(ScoreEvent):
    """Predictions that were scored before were scored by another version of the problem; nothing was trained.

    They count from when the challenge has adopted that version.
    """

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)


class RunReproduced(ScoreEvent):
    """A reproduction was trained and scored. It stands beside the run that it is compared with, and on no board."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)

    of_run_id: UUID


class ScoringFailure(RunEvent):
    """What all events share that say why predictions of a run have no score: the kit's fault or ours, never the team's."""

    challenge_id: str
    outcome: Literal["kit_error", "environment_error", "system_error"]
    reason: str
    #: Bucket `private`, `details/<digest>`: the traceback of the organiser's code, for the organiser.
    detail_digest: str | None

    @property
    def stream(self) -> str:
        return f"score-{self.run_id}"


class ScoringFailed(ScoringFailure):
    """The predictions of a run could not be scored: it has failed."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)


class RescoringFailed(ScoringFailure):
    """The predictions of a run could not be scored by another version of the problem: its score by the one before stands."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)

    problem_version: int
