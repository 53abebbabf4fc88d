"""Reports: all that a trainer can say. The orchestrator checks each, and appends what follows from it.

A report is not an event: it is what a stranger's machine claims. `run_id` and `attempt` say what it is about, `execution_id`
which start of it.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from shared.events import FoldUsage, Outcome, Payload

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Report(Payload):
    """What all reports say."""

    run_id: UUID
    submission_id: UUID
    attempt: int = Field(ge=1)
    execution_id: UUID


class StartedReport(Report):
    """A trainer holds everything it needs and lets the participant's code in now."""

    kind: Literal["started"] = "started"
    trainer: str = Field(max_length=200)


class FoldTrainedReport(Report):
    """A fold's predictions are in the object store."""

    kind: Literal["fold-trained"] = "fold-trained"
    fold: int = Field(ge=0)
    predictions_digest: Digest
    log_digest: Digest
    usage: FoldUsage


class FailedReport(Report):
    """A fold ended otherwise; the run is over."""

    kind: Literal["failed"] = "failed"
    outcome: Outcome
    reason: str = Field(max_length=2_000)
    fold: int | None = Field(ge=0)
    traceback_digest: Digest | None
    log_digest: Digest | None


AnyReport = Annotated[StartedReport | FoldTrainedReport | FailedReport, Field(discriminator="kind")]
REPORT: TypeAdapter[StartedReport | FoldTrainedReport | FailedReport] = TypeAdapter(AnyReport)
