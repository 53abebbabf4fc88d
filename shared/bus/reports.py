"""Reports: all that a trainer can say. The orchestrator checks each, and appends what follows from it.

A report is not an event: it is what a stranger's machine claims. `run_id` and `attempt` say what it is about, `execution_id`
which start of it. Its numbers and words are bounded, since they become facts that every read model must be able to hold:
infinity is `null` in JSON, and a bigint or a text of PostgreSQL does not hold everything that JSON does.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, TypeAdapter

from shared.events import FoldUsage, Outcome, Payload, RunConditions

#: A year, and a pebibyte: what no fold takes.
MAX_SECONDS = 366 * 86_400.0
MAX_BYTES = 2**50


def _believable(usage: FoldUsage) -> FoldUsage:
    parts = [part for part in (usage.training, usage.prediction) if part]
    times = [usage.train_time_s, usage.valid_time_s, usage.test_time_s]
    times += [seconds for part in parts for seconds in (part.wall_time_s, part.cpu_time_s)]
    peaks = [usage.peak_memory_bytes, *(part.peak_memory_bytes for part in parts)]
    if max(times) > MAX_SECONDS or max(peaks) > MAX_BYTES:
        message = "no fold takes that long, or that much memory"
        raise ValueError(message)
    return usage


Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Usage = Annotated[FoldUsage, AfterValidator(_believable)]
#: None from a trainer that does not tell yet.
LogBytes = Annotated[int | None, Field(ge=0, le=MAX_BYTES)]
#: Words for people. PostgreSQL's texts hold no NUL.
WORDS = r"^[^\x00]*$"


class Report(Payload):
    """What all reports say."""

    run_id: UUID
    submission_id: UUID
    attempt: int = Field(ge=1)
    execution_id: UUID


class StartedReport(Report):
    """A trainer holds everything it needs and lets the participant's code in now."""

    kind: Literal["started"] = "started"
    trainer: str = Field(max_length=200, pattern=WORDS)
    #: The shared fold that was requested, or None for the run's first request.
    shared_fold: int | None = Field(ge=0)
    conditions: RunConditions | None = None


class FoldTrainedReport(Report):
    """A fold's predictions are in the object store."""

    kind: Literal["fold-trained"] = "fold-trained"
    fold: int = Field(ge=0)
    predictions_digest: Digest
    log_digest: Digest
    log_bytes: LogBytes = None
    usage: Usage


class FailedReport(Report):
    """A fold ended otherwise; the run is over."""

    kind: Literal["failed"] = "failed"
    outcome: Outcome
    reason: str = Field(max_length=2_000, pattern=WORDS)
    fold: int | None = Field(ge=0)
    traceback_digest: Digest | None
    log_digest: Digest | None
    log_bytes: LogBytes = None


class SlowReport(Report):
    """The first fold takes so long that the others are better shared among all trainers of the pool. It goes on itself."""

    kind: Literal["slow"] = "slow"


class ReturnedReport(Report):
    """This trainer does not do what was requested: it stops, the machine failed, or the request came a second time.

    `execution_id` is that of the start which it gave up; for a request that came again, which it has not begun, a fresh one.
    """

    kind: Literal["returned"] = "returned"
    shared_fold: int | None = Field(ge=0)
    reason: Literal["stopping", "redelivered", "machine_failed"]
    #: What failed, for operators.
    words: str = Field(max_length=2_000, pattern=WORDS)


AnyReport = StartedReport | FoldTrainedReport | FailedReport | SlowReport | ReturnedReport
REPORT: TypeAdapter[AnyReport] = TypeAdapter(Annotated[AnyReport, Field(discriminator="kind")])
