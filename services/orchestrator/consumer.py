"""The orchestrator's two queues: events that cause work, and reports of trainers.

Both only append what has derived ids and the stream's version. So a message that comes again, because this process died
between its commit and the acknowledgement, or because a trainer said it twice, changes nothing.
"""

import asyncio
from uuid import UUID
from weakref import WeakValueDictionary

from aio_pika.abc import AbstractIncomingMessage
from prometheus_client import Counter
from pydantic import ValidationError
from sqlalchemy import Engine

from services.orchestrator.run import SenselessReportError, decide
from services.orchestrator.runs import decide_and_append
from services.orchestrator.scheduler import Scheduler
from shared.bus.consumer import RejectedError
from shared.bus.reports import REPORT, AnyReport
from shared.bus.telemetry import Commander
from shared.bus.topology import TRAINER_USER_PREFIX
from shared.events import Outcome, RecordedEvent, SubmissionWithdrawn, TrainingFinished
from shared.telemetry import get_logger

log = get_logger(__name__)

REPORTS = Counter("palio_reports_total", "Trainers' reports, by what followed from them", ["kind", "result"])


class EventConsumer:
    """Hears that something happened: looks whose turn it is, and tells trainers of runs that are over."""

    def __init__(self, scheduler: Scheduler, commander: Commander) -> None:
        self._scheduler = scheduler
        self._commander = commander

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Raises `RejectedError` for what is not an event."""
        try:
            recorded = RecordedEvent.from_cloudevent(message.body)
        except ValueError as error:
            raise RejectedError(str(error)) from error
        event = recorded.event()
        if isinstance(event, SubmissionWithdrawn) or (
            isinstance(event, TrainingFinished) and event.outcome is not Outcome.TRAINED
        ):
            # A trainer that misses it wastes its time, no more: what it reports comes too late.
            await self._commander.end_run(event.run_id)
        await self._scheduler.ring(recorded.position)


class ReportConsumer:
    """Checks trainers' reports and appends what follows."""

    def __init__(self, engine: Engine, max_attempts: int, scheduler: Scheduler) -> None:
        self._engine = engine
        self._max_attempts = max_attempts
        self._scheduler = scheduler
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
        # A slot may be free, or folds may be there to be shared.
        self._scheduler.wake()

    def when_reported(self, report: AnyReport, pool: str) -> None:
        """Append what follows from a report. Raises `RejectedError`, or `TransientError` if others kept deciding first."""
        try:
            decisions = decide_and_append(self._engine, report.run_id, lambda run: decide(run, report, pool, self._max_attempts))
        except SenselessReportError as error:
            raise RejectedError(str(error)) from error
        if report.kind == "returned":
            log.info("request_returned", run_id=str(report.run_id), reason=report.reason, words=report.words)
        REPORTS.labels(report.kind, "appended" if decisions else "known_or_late").inc()
