"""The orchestrator's two queues: events that cause work, and reports of trainers.

Both append with derived ids and the stream's version. So a message that comes again, because this process died between its
commit and the acknowledgement, or because a trainer said it twice, changes nothing.
"""

import asyncio
from uuid import UUID
from weakref import WeakValueDictionary

from aio_pika.abc import AbstractIncomingMessage
from prometheus_client import Counter
from pydantic import ValidationError
from sqlalchemy import Connection, Engine

from services.orchestrator.run import Run, SenselessReportError, decide, fold_events
from shared.bus.consumer import RejectedError, TransientError
from shared.bus.reports import REPORT, FailedReport, FoldTrainedReport, StartedReport
from shared.events import Metadata, RecordedEvent, SubmissionUploaded, TrainingRequested
from shared.ledger import ConflictError, DuplicateEventError, NewEvent, append, append_once, derived_id, read_stream
from shared.prepared_problems import find_prepared
from shared.runs import run_id_of
from shared.telemetry import bind_log_context, get_logger

log = get_logger(__name__)

REPORTS = Counter("palio_reports_total", "Trainers' reports, by what followed from them", ["kind", "result"])
#: Two reports of one run decided at once: the one that lost reads the stream again. More than a few in a row is a defect.
MAX_CONFLICTS = 20
TRAINER_USER_PREFIX = "trainer-"


class EventConsumer:
    """Hears of submissions and requests their training."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Raises `RejectedError` for what is not an event."""
        try:
            recorded = RecordedEvent.from_cloudevent(message.body)
        except ValueError as error:
            raise RejectedError(str(error)) from error
        event = recorded.event()
        if isinstance(event, SubmissionUploaded):
            await asyncio.to_thread(self.when_submission_uploaded, event, recorded)

    def when_submission_uploaded(self, submission: SubmissionUploaded, recorded: RecordedEvent) -> None:
        """Request the first run of a submission; its id is derived from the submission's, so this happens once."""
        with bind_log_context(submission_id=str(submission.submission_id), correlation_id=recorded.metadata.correlation_id):
            with self._engine.connect() as connection:
                prepared = find_prepared(connection, submission.problem_id, submission.problem_version)
            if prepared is None:
                # ingest takes submissions only for prepared problems, which it knows from this same ledger.
                raise RejectedError(f"problem {submission.problem_id} version {submission.problem_version} is not prepared")
            request = TrainingRequested(
                run_id=run_id_of(submission.submission_id),
                submission_id=submission.submission_id,
                challenge_id=submission.challenge_id,
                attempt=1,
                pool=submission.pool,
                bundle_digest=submission.bundle_digest,
                manifest_digest=prepared.manifest_digest,
                environment_digest=prepared.environment_digest,
                n_folds=prepared.n_folds,
                limits=submission.limits,
            )
            new = NewEvent(request, recorded.metadata.caused_by(recorded), id=derived_id(request.run_id, "requested", 1))
            appended = append_once(self._engine, [new])
            log.info("training_requested", run_id=str(request.run_id), first_time=appended)


class ReportConsumer:
    """Checks trainers' reports and appends what follows."""

    def __init__(self, engine: Engine, max_attempts: int) -> None:
        self._engine = engine
        self._max_attempts = max_attempts
        #: Reports of one run arrive together: in turn here, they do not conflict in the ledger over and over.
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Raises `RejectedError` for a report that makes no sense."""
        try:
            report = REPORT.validate_json(message.body)
        except ValidationError as error:
            raise RejectedError(f"not a report: {error.errors(include_input=False, include_url=False)}") from error
        # The broker has checked that `user_id` is the user who published; who does not state it is nobody.
        pool = (message.user_id or "").removeprefix(TRAINER_USER_PREFIX)
        turn = self._turns.setdefault(report.run_id, asyncio.Lock())
        async with turn:
            await asyncio.to_thread(self.when_reported, report, pool)

    def when_reported(self, report: StartedReport | FoldTrainedReport | FailedReport, pool: str) -> None:
        """Append what follows from a report. Raises `RejectedError`, or `TransientError` if others kept deciding first."""
        for _ in range(MAX_CONFLICTS):
            try:
                n_events = self._decide_and_append(report, pool)
            except ConflictError:
                continue
            except DuplicateEventError:
                n_events = 0
            REPORTS.labels(report.kind, "appended" if n_events else "known_or_late").inc()
            return
        # A true report is not buried for being late.
        raise TransientError(f"the stream of run {report.run_id} changed {MAX_CONFLICTS} times while this report was decided")

    def _decide_and_append(self, report: StartedReport | FoldTrainedReport | FailedReport, pool: str) -> int:
        with self._engine.begin() as connection:
            found = load_run(connection, report.run_id)
            if found is None:
                raise RejectedError(f"there is no run {report.run_id}")
            run, metadata = found
            try:
                decisions = decide(run, report, pool, self._max_attempts)
            except SenselessReportError as error:
                raise RejectedError(str(error)) from error
            if decisions:
                append(
                    connection,
                    [
                        NewEvent(decision.event, metadata, expected_version=run.version + number, id=decision.id)
                        for number, decision in enumerate(decisions)
                    ],
                )
        return len(decisions)


def load_run(connection: Connection, run_id: UUID) -> tuple[Run, Metadata] | None:
    """A run as its stream says, with the metadata that its further events carry; None if there is none."""
    recorded = read_stream(connection, f"run-{run_id}")
    run = fold_events(each.event() for each in recorded)
    return (run, recorded[-1].metadata.caused_by(recorded[-1])) if run else None
