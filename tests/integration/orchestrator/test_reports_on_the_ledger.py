"""The orchestrator on a real ledger: each fact once, whoever says it how often."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from services.orchestrator.consumer import EventConsumer, ReportConsumer
from shared.bus.consumer import RejectedError
from shared.bus.reports import FailedReport, FoldTrainedReport, StartedReport
from shared.events import (
    EVENT_TYPES,
    Event,
    FoldUsage,
    Metadata,
    Outcome,
    RecordedEvent,
    SubmissionUploaded,
    TrainingFinished,
    TrainingRequested,
)
from shared.ledger import NewEvent, append, read_after
from shared.runs import run_id_of

GOLDEN = Path(__file__).parents[2] / "golden/events"
METADATA = Metadata(correlation_id="a test")
EngineOf = Callable[[str], Engine]
USAGE = FoldUsage(train_time_s=1, valid_time_s=0, test_time_s=0, peak_memory_bytes=1)


def golden(name: str) -> Event:
    return EVENT_TYPES[name].model_validate(json.loads((GOLDEN / f"{name}.v1.json").read_text()))


def events(engine: Engine) -> list[RecordedEvent]:
    with engine.connect() as connection:
        return read_after(connection, 0, 1000)


@pytest.fixture
def orchestrator(engine_of: EngineOf) -> Engine:
    return engine_of("orchestrator")


@pytest.fixture
def uploaded(engine_of: EngineOf) -> RecordedEvent:
    """A submission to a prepared problem, on the ledger."""
    with engine_of("scorer").begin() as connection:
        append(connection, [NewEvent(golden("ProblemPrepared"), METADATA)])
    with engine_of("ingest").begin() as connection:
        append(connection, [NewEvent(golden("SubmissionUploaded"), METADATA)])
    return events(engine_of("ingest"))[-1]


@pytest.fixture
def run_id(uploaded: RecordedEvent, orchestrator: Engine) -> UUID:
    """The run that was requested for it."""
    submission = uploaded.event()
    assert isinstance(submission, SubmissionUploaded)
    EventConsumer(orchestrator).when_submission_uploaded(submission, uploaded)
    return run_id_of(submission.submission_id)


@pytest.fixture
def reports(orchestrator: Engine) -> ReportConsumer:
    return ReportConsumer(orchestrator, max_attempts=3)


def about(run_id: UUID) -> dict[str, object]:
    submission = golden("SubmissionUploaded")
    assert isinstance(submission, SubmissionUploaded)
    return {"run_id": run_id, "submission_id": submission.submission_id, "attempt": 1, "execution_id": UUID(int=1)}


def trained(run_id: UUID, fold: int) -> FoldTrainedReport:
    more = {"fold": fold, "predictions_digest": f"{fold:064x}", "log_digest": "0" * 64, "usage": USAGE}
    return FoldTrainedReport.model_validate({**about(run_id), **more})


def test_a_submission_is_requested_once_however_often_it_is_heard_of(
    uploaded: RecordedEvent, run_id: UUID, orchestrator: Engine
) -> None:
    submission = uploaded.event()
    assert isinstance(submission, SubmissionUploaded)
    EventConsumer(orchestrator).when_submission_uploaded(submission, uploaded)
    requested = [each.event() for each in events(orchestrator) if each.type == "TrainingRequested"]
    assert [each.run_id for each in requested if isinstance(each, TrainingRequested)] == [run_id]
    assert events(orchestrator)[-1].metadata.causation_id == uploaded.id


def test_a_run_finishes_once_though_two_orchestrators_hear_everything_twice(run_id: UUID, orchestrator: Engine) -> None:
    said = [StartedReport.model_validate({**about(run_id), "trainer": "t"}), trained(run_id, 0), trained(run_id, 1)] * 2
    instances = [ReportConsumer(orchestrator, 3), ReportConsumer(orchestrator, 3)]
    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(each.when_reported, report, "default") for report in said for each in instances]:
            done.result()
    types = [each.type for each in events(orchestrator) if each.stream == f"run-{run_id}"]
    assert sorted(types) == sorted(["TrainingRequested", "TrainingStarted", "FoldTrained", "FoldTrained", "TrainingFinished"])
    finished = events(orchestrator)[-1].event()
    assert isinstance(finished, TrainingFinished)
    assert finished.predictions_digests == (f"{0:064x}", f"{1:064x}")


def test_what_comes_after_the_end_changes_nothing(run_id: UUID, orchestrator: Engine, reports: ReportConsumer) -> None:
    failure = {"outcome": Outcome.TRAIN_ERROR, "reason": "no", "fold": 0, "traceback_digest": None, "log_digest": None}
    reports.when_reported(FailedReport.model_validate({**about(run_id), **failure}), "default")
    end = len(events(orchestrator))
    for late in (
        trained(run_id, 0),
        trained(run_id, 1),
        FailedReport.model_validate({**about(run_id), **failure, "outcome": "crashed"}),
    ):
        reports.when_reported(late, "default")
    assert len(events(orchestrator)) == end


@pytest.mark.parametrize(
    ("user_id", "body", "reason"),
    [
        ("trainer-other", None, "belongs to pool default"),
        (None, None, "belongs to pool default"),
        ("trainer-default", b"{}", "not a report"),
        ("trainer-default", b"\xff\x00", "not a report"),
        ("trainer-default", b'{"kind": "scored", "score": 1}', "not a report"),
    ],
)
def test_a_forged_or_senseless_message_is_refused_with_the_reason(
    run_id: UUID, orchestrator: Engine, reports: ReportConsumer, user_id: str | None, body: bytes | None, reason: str
) -> None:
    end = len(events(orchestrator))
    # What the loop hands over: the broker has verified `user_id`.
    message = SimpleNamespace(user_id=user_id, body=body if body is not None else trained(run_id, 0).model_dump_json().encode())
    with pytest.raises(RejectedError, match=reason):
        asyncio.run(reports.handle(message))  # type: ignore[arg-type]
    assert len(events(orchestrator)) == end


def test_a_report_of_an_unknown_run_is_refused(orchestrator: Engine, reports: ReportConsumer) -> None:
    with pytest.raises(RejectedError, match="there is no run"):
        reports.when_reported(trained(uuid4(), 0), "default")


def test_a_submission_to_a_problem_that_is_not_prepared_is_refused(engine_of: EngineOf, orchestrator: Engine) -> None:
    with engine_of("ingest").begin() as connection:
        append(connection, [NewEvent(golden("SubmissionUploaded"), METADATA)])
    uploaded = events(orchestrator)[-1]
    submission = uploaded.event()
    assert isinstance(submission, SubmissionUploaded)
    with pytest.raises(RejectedError, match="not prepared"):
        EventConsumer(orchestrator).when_submission_uploaded(submission, uploaded)
