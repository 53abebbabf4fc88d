"""The orchestrator on a real ledger: each fact once, whoever says it how often."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast
from uuid import UUID, uuid4

import pytest
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import Connection, Engine

from services.orchestrator import runs
from services.orchestrator.consumer import EventConsumer, ReportConsumer
from services.orchestrator.lost import LostWork
from services.orchestrator.projection import HANDLERS
from services.orchestrator.release import release
from services.orchestrator.scheduler import Scheduler
from services.orchestrator.trainers import Trainers
from shared.bus.consumer import ForeignEventError, RejectedError
from shared.bus.reports import FailedReport, FoldTrainedReport, StartedReport
from shared.events import (
    FoldUsage,
    Metadata,
    Outcome,
    RecordedEvent,
    SubmissionUploaded,
    TrainingFinished,
    TrainingRequested,
)
from shared.ledger import NewEvent, Projection, append, read_after
from shared.runs import run_id_of
from shared.telemetry import Readiness
from tests.support.goldens import golden

METADATA = Metadata(correlation_id="a test")
EngineOf = Callable[[str], Engine]
USAGE = FoldUsage(train_time_s=1, valid_time_s=0, test_time_s=0, peak_memory_bytes=1)


def events(engine: Engine) -> list[RecordedEvent]:
    with engine.connect() as connection:
        return read_after(connection, 0, 1000)


@pytest.fixture
def orchestrator(engine_of: EngineOf) -> Engine:
    return engine_of("orchestrator")


def project(engine: Engine) -> None:
    Projection("orchestrator", engine, HANDLERS, Readiness()).catch_up()


async def nothing_ready(_pool: str) -> int:
    return 0


class Told:
    """Keeps what trainers would be told; over a real broker it is tests/e2e/test_scaling.py that hears it."""

    def __init__(self) -> None:
        self.ended: list[UUID] = []

    async def end_run(self, run_id: UUID) -> None:
        self.ended.append(run_id)


def report_consumer(engine: Engine, told: Told | None = None) -> ReportConsumer:
    trainers = Trainers()
    lost = LostWork(engine, trainers, nothing_ready, max_attempts=3, lost_after_s=60)
    scheduler = Scheduler(engine, Projection("orchestrator", engine, HANDLERS, Readiness()), trainers, (lost.look,), Readiness())
    return ReportConsumer(engine, 3, scheduler, told or Told())  # type: ignore[arg-type]  # the one method that it uses


@pytest.fixture
def uploaded(engine_of: EngineOf) -> RecordedEvent:
    """A submission to a prepared problem, on the ledger."""
    with engine_of("scorer").begin() as connection:
        append(connection, [NewEvent(golden("ProblemPrepared"), METADATA)])
    with engine_of("ingest").begin() as connection:
        append(connection, [NewEvent(golden("ChallengeCreated"), METADATA)])
        append(connection, [NewEvent(golden("SubmissionUploaded"), METADATA)])
    return events(engine_of("ingest"))[-1]


@pytest.fixture
def run_id(uploaded: RecordedEvent, orchestrator: Engine) -> UUID:
    """The run that was requested for it."""
    submission = uploaded.event()
    assert isinstance(submission, SubmissionUploaded)
    project(orchestrator)
    assert release(orchestrator, submission.pool, 1) == 1
    return run_id_of(submission.submission_id)


@pytest.fixture
def reports(orchestrator: Engine) -> ReportConsumer:
    return report_consumer(orchestrator)


def about(run_id: UUID) -> dict[str, object]:
    submission = golden("SubmissionUploaded")
    assert isinstance(submission, SubmissionUploaded)
    return {"run_id": run_id, "submission_id": submission.submission_id, "attempt": 1, "execution_id": UUID(int=1)}


def trained(run_id: UUID, fold: int) -> FoldTrainedReport:
    more = {"fold": fold, "predictions_digest": f"{fold:064x}", "log_digest": "0" * 64, "usage": USAGE}
    return FoldTrainedReport.model_validate({**about(run_id), **more})


def test_a_submission_is_requested_once_though_two_orchestrators_look_before_the_tables_have_heard(
    uploaded: RecordedEvent, run_id: UUID, orchestrator: Engine
) -> None:
    assert release(orchestrator, "default", 1) == 0
    project(orchestrator)
    assert release(orchestrator, "default", 1) == 0
    requested = [each.event() for each in events(orchestrator) if each.type == "TrainingRequested"]
    assert [each.run_id for each in requested if isinstance(each, TrainingRequested)] == [run_id]
    assert events(orchestrator)[-1].metadata.causation_id == uploaded.id


async def test_a_run_finishes_once_though_two_orchestrators_hear_everything_twice(run_id: UUID, orchestrator: Engine) -> None:
    said = [
        StartedReport.model_validate({**about(run_id), "trainer": "t", "shared_fold": None}),
        trained(run_id, 0),
        trained(run_id, 1),
    ] * 2
    instances = [report_consumer(orchestrator), report_consumer(orchestrator)]
    await asyncio.gather(*(each.decide(report, "default") for report in said for each in instances))
    types = [each.type for each in events(orchestrator) if each.stream == f"run-{run_id}"]
    assert sorted(types) == sorted(["TrainingRequested", "TrainingStarted", "FoldTrained", "FoldTrained", "TrainingFinished"])
    finished = events(orchestrator)[-1].event()
    assert isinstance(finished, TrainingFinished)
    assert finished.predictions_digests == (f"{0:064x}", f"{1:064x}")


async def test_what_comes_after_the_end_changes_nothing(run_id: UUID, orchestrator: Engine, reports: ReportConsumer) -> None:
    failure = {"outcome": Outcome.TRAIN_ERROR, "reason": "no", "fold": 0, "traceback_digest": None, "log_digest": None}
    await reports.decide(FailedReport.model_validate({**about(run_id), **failure}), "default")
    end = len(events(orchestrator))
    for late in (
        trained(run_id, 0),
        trained(run_id, 1),
        FailedReport.model_validate({**about(run_id), **failure, "outcome": "crashed"}),
    ):
        await reports.decide(late, "default")
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


async def test_a_report_of_an_unknown_run_is_refused(orchestrator: Engine, reports: ReportConsumer) -> None:
    with pytest.raises(RejectedError, match="there is no run"):
        await reports.decide(trained(uuid4(), 0), "default")


async def test_what_arrives_together_is_appended_together_and_nonsense_among_it_hurts_nobody(
    engine_of: EngineOf, orchestrator: Engine, run_id: UUID, reports: ReportConsumer
) -> None:
    unknown, forged = trained(uuid4(), 0), trained(run_id, 0).model_copy(update={"submission_id": uuid4()})
    said = [trained(run_id, 0), unknown, forged, trained(run_id, 1), trained(run_id, 1)]
    # The first one begins alone; the others wait for it, and are decided on together.
    await asyncio.gather(
        reports.decide(said[0], "default"), *(reports.decide(each, "default") for each in said), return_exceptions=True
    )
    new = [each for each in events(orchestrator) if each.stream == f"run-{run_id}"]
    assert [each.type for each in new] == ["TrainingRequested", "FoldTrained", "FoldTrained", "TrainingFinished"]
    assert [each.version for each in new] == [1, 2, 3, 4]
    assert [each.metadata.causation_id for each in new[1:]] == [each.id for each in new[:3]], "as if said one by one"


async def test_a_withdrawal_between_look_and_append_is_first(
    engine_of: EngineOf, orchestrator: Engine, run_id: UUID, reports: ReportConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn = golden("SubmissionWithdrawn").model_copy(
        update={"run_id": run_id, "submission_id": about(run_id)["submission_id"]}
    )
    load_run = runs.load_run
    looked: list[str] = []

    def look_slowly(connection: Connection, wanted: UUID) -> object:
        found = load_run(connection, wanted)
        if not looked:
            looked.append("then its team took it back")
            with engine_of("ingest").begin() as other:
                append(other, [NewEvent(withdrawn, METADATA)])
        return found

    monkeypatch.setattr(runs, "load_run", look_slowly)
    await asyncio.gather(reports.decide(trained(run_id, 0), "default"), reports.decide(trained(run_id, 1), "default"))
    assert [each.type for each in events(orchestrator) if each.stream == f"run-{run_id}"] == [
        "TrainingRequested",
        "SubmissionWithdrawn",
    ]


def test_a_submission_to_a_problem_that_is_not_prepared_is_not_requested(engine_of: EngineOf, orchestrator: Engine) -> None:
    with engine_of("ingest").begin() as connection:
        append(connection, [NewEvent(golden("ChallengeCreated"), METADATA)])
        append(connection, [NewEvent(golden("SubmissionUploaded"), METADATA)])
    project(orchestrator)
    assert release(orchestrator, "default", 1) == 0


async def test_an_event_of_a_ledger_that_is_no_more_ends_no_run_and_blocks_no_queue(run_id: UUID, orchestrator: Engine) -> None:
    """After a restore: its position is never reached, and what ended there goes on here."""

    class Commander:
        """Tells trainers."""

        async def end_run(self, ended: UUID) -> None:
            raise AssertionError(f"run {ended} goes on")

    withdrawn = golden("SubmissionWithdrawn").model_copy(update={"run_id": run_id})
    before = dataclasses.replace(
        events(orchestrator)[-1],
        id=uuid4(),
        position=10**6,
        epoch=0,
        type="SubmissionWithdrawn",
        schema_version=1,
        data=withdrawn.model_dump_json(),
    )
    trainers = Trainers()
    lost = LostWork(orchestrator, trainers, nothing_ready, max_attempts=3, lost_after_s=60)
    scheduler = Scheduler(
        orchestrator, Projection("orchestrator", orchestrator, HANDLERS, Readiness()), trainers, lost, Readiness()
    )
    consumer = EventConsumer(orchestrator, scheduler, Commander())  # type: ignore[arg-type]
    with pytest.raises(ForeignEventError):
        await asyncio.wait_for(consumer.handle(SimpleNamespace(body=before.to_cloudevent())), 30)  # type: ignore[arg-type]


async def test_who_begins_a_run_that_is_over_is_told_so(run_id: UUID, orchestrator: Engine) -> None:
    told = Told()
    reports = report_consumer(orchestrator, told)
    started = StartedReport.model_validate({**about(run_id), "trainer": "t", "shared_fold": None})
    await reports.handle(message_of(started))
    failed = {"fold": 0, "outcome": Outcome.TRAIN_ERROR, "reason": "", "traceback_digest": None, "log_digest": None}
    await reports.handle(message_of(FailedReport.model_validate({**about(run_id), **failed})))
    assert told.ended == []
    late = StartedReport.model_validate({**about(run_id), "execution_id": uuid4(), "trainer": "late", "shared_fold": None})
    with pytest.raises(RejectedError, match="belongs to pool default"):
        await reports.handle(message_of(late, "trainer-other"))
    assert told.ended == []
    await reports.handle(message_of(late))
    assert told.ended == [run_id]


@pytest.mark.parametrize("size", [20_000, 1_000_000])
async def test_a_report_that_is_large_or_wrong_in_every_field_makes_few_words(reports: ReportConsumer, size: int) -> None:
    body = json.dumps({"kind": "slow", **{f"field-{number}": 0 for number in range(size // 20)}}).encode()
    with pytest.raises(RejectedError, match="not a report") as refused:
        await reports.handle(SimpleNamespace(body=body, user_id="trainer-default"))  # type: ignore[arg-type]  # what it reads
    assert len(str(refused.value)) < 3_000


def message_of(report: StartedReport | FailedReport, user: str = "trainer-default") -> AbstractIncomingMessage:
    message = SimpleNamespace(body=report.model_dump_json().encode(), user_id=user)
    return cast("AbstractIncomingMessage", message)
