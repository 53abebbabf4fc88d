"""The orchestrator's two queues: events that cause work, and reports of trainers.

Both only append what has derived ids and the stream's version. So a message that comes again, because this process died
between its commit and the acknowledgement, or because a trainer said it twice, changes nothing.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

from aio_pika.abc import AbstractIncomingMessage
from prometheus_client import Counter
from pydantic import ValidationError
from sqlalchemy import Engine

from services.orchestrator.run import Decision, Run, SenselessReportError, decide
from services.orchestrator.runs import Answer, Question, decide_and_append_all
from services.orchestrator.scheduler import Scheduler
from shared.bus.consumer import RejectedError, TransientError
from shared.bus.received import read_event
from shared.bus.reports import REPORT, AnyReport
from shared.bus.telemetry import Commander
from shared.bus.topology import TRAINER_USER_PREFIX
from shared.events import Outcome, SubmissionWithdrawn, TrainingFinished
from shared.telemetry import get_logger

log = get_logger(__name__)

#: The longest words of the longest report take 12 kB, however they are escaped.
MAX_REPORT_BYTES = 64 * 2**10
MAX_REASON_CHARS = 2_000

REPORTS = Counter("palio_reports_total", "Trainers' reports, by what followed from them", ["kind", "result"])


class EventConsumer:
    """Hears that something happened: looks whose turn it is, and tells trainers of runs that are over."""

    def __init__(self, engine: Engine, scheduler: Scheduler, commander: Commander) -> None:
        self._engine = engine
        self._scheduler = scheduler
        self._commander = commander

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Raises what `read_event` does."""
        # A run that ended only in a ledger that is no more goes on, and nobody waits for a position that is never reached.
        recorded = await read_event(self._engine, message)
        event = recorded.event()
        if isinstance(event, SubmissionWithdrawn) or (
            isinstance(event, TrainingFinished) and event.outcome is not Outcome.TRAINED
        ):
            # A trainer that misses it wastes its time, no more: what it reports comes too late.
            await self._commander.end_run(event.run_id)
        await self._scheduler.ring(recorded.position)


class ReportConsumer:
    """Checks trainers' reports and appends what follows: all that came while the last ones were appended, at once."""

    def __init__(self, engine: Engine, max_attempts: int, scheduler: Scheduler, commander: Commander) -> None:
        self._engine = engine
        self._max_attempts = max_attempts
        self._scheduler = scheduler
        self._commander = commander
        self._waiting: list[_Waiting] = []
        self._appending = asyncio.Lock()

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Raises `RejectedError` for a report that makes no sense, `TransientError` if others kept deciding first."""
        if len(message.body) > MAX_REPORT_BYTES:
            raise RejectedError(f"not a report: it has {len(message.body)} bytes")
        try:
            report = REPORT.validate_json(message.body)
        except ValidationError as error:
            # Bounded, since it stands in the log: there is an error for each field that nobody knows.
            errors = str(error.errors(include_input=False, include_url=False))[:MAX_REASON_CHARS]
            raise RejectedError(f"not a report: {errors}") from error
        # The broker has checked that `user_id` is the user who published; who does not state it is nobody.
        pool = (message.user_id or "").removeprefix(TRAINER_USER_PREFIX)
        await self.decide(report, pool)
        # A slot may be free, or folds may be there to be shared.
        self._scheduler.wake()

    async def decide(self, report: AnyReport, pool: str) -> None:
        """Returns once what follows from a report is durable. Raises as `handle` does."""
        mine = _Waiting(report, pool, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        async with self._appending:
            # Whoever comes first decides for all that wait; most find that it has been done for them.
            if not mine.answer.done():
                batch, self._waiting = self._waiting, []
                await self._decide_all(batch)
        answer = mine.answer.result()
        if isinstance(answer, SenselessReportError):
            raise RejectedError(str(answer)) from answer
        if isinstance(answer, Exception):
            raise answer
        if mine.is_over and report.kind == "started":
            # It has not heard that the run is over: it came later, or had too many others to remember. Should this process die
            # before it says so, the report comes again.
            await self._commander.end_run(report.run_id)
        if report.kind == "returned":
            log.info("request_returned", run_id=str(report.run_id), reason=report.reason, words=report.words)
        REPORTS.labels(report.kind, "appended" if answer else "known_or_late").inc()

    async def _decide_all(self, batch: "list[_Waiting]") -> None:
        answers: list[Answer] = [TransientError("not decided")] * len(batch)
        questions = [Question(each.report.run_id, partial(self._decide, each)) for each in batch]
        try:
            answers = await asyncio.to_thread(decide_and_append_all, self._engine, questions)
        finally:
            # Also when the database is away: then each of them tries again.
            for each, answer in zip(batch, answers, strict=True):
                each.answer.set_result(answer)

    def _decide(self, each: "_Waiting", run: Run) -> list[Decision]:
        each.is_over = run.finished is not None
        return decide(run, each.report, each.pool, self._max_attempts)


@dataclass
class _Waiting:
    """A report that is to be decided on. `is_over`: its run was over already."""

    report: AnyReport
    pool: str
    answer: "asyncio.Future[Answer]"
    is_over: bool = False
