"""The scorer's queue: problems to prepare, runs to score.

Compute first, outside any transaction; store objects under their content's name; append last; acknowledge after the commit. A
death before the append leaves objects that nothing names, and the message comes again; a death after it too, and the append
with the same derived id changes nothing.
"""

import asyncio
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import Connection, Engine

from services.scorer.preparation import ProblemPreparer
from services.scorer.scoring import RunScorer
from shared.bus.consumer import RejectedError
from shared.bus.received import read_event
from shared.events import Event, Outcome, ProblemPrepared, ProblemPublished, RecordedEvent, SubmissionUploaded, TrainingFinished
from shared.faults import fault_point
from shared.ledger import NewEvent, append_once, derived_id, read_stream
from shared.prepared_problems import find_prepared
from shared.telemetry import bind_log_context, get_logger

log = get_logger(__name__)


class ScorerConsumer:
    """Prepares one problem at a time, and scores `scores_at_once` runs beside it, so that neither waits for the other."""

    def __init__(self, engine: Engine, preparer: ProblemPreparer, scorer: RunScorer, scores_at_once: int) -> None:
        self._engine = engine
        self._preparer = preparer
        self._scorer = scorer
        self._preparing = asyncio.Semaphore(1)
        self._scoring = asyncio.Semaphore(scores_at_once)

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Raises what `read_event` does."""
        recorded = await read_event(self._engine, message)
        event = recorded.event()
        with bind_log_context(correlation_id=recorded.metadata.correlation_id):
            if isinstance(event, ProblemPublished):
                async with self._preparing:
                    await asyncio.to_thread(self.when_problem_published, event, recorded)
            elif isinstance(event, TrainingFinished) and event.outcome is Outcome.TRAINED:
                async with self._scoring:
                    await asyncio.to_thread(self.when_trained, event, recorded)

    def when_problem_published(self, published: ProblemPublished, recorded: RecordedEvent) -> None:
        """Prepare a version of a problem, once: what came of it has an id made from problem and version."""
        event_id = derived_id("problem", published.problem_id, published.version, "preparation")
        with self._engine.connect() as connection:
            known = any(each.id == event_id for each in read_stream(connection, published.stream))
        if not known:
            # Minutes of work: worth a look whether it is needed.
            self._append(self._preparer.prepare(published), recorded, event_id)

    def when_trained(self, finished: TrainingFinished, recorded: RecordedEvent) -> None:
        """Score a run, once."""
        with self._engine.connect() as connection:
            submission, prepared = _what_was_trained(connection, finished)
        with bind_log_context(submission_id=str(finished.submission_id), run_id=str(finished.run_id)):
            event = self._scorer.score(finished, submission, prepared)
            self._append(event, recorded, derived_id(finished.run_id, "score"))

    def _append(self, event: Event, cause: RecordedEvent, event_id: UUID) -> None:
        new = NewEvent(event, cause.metadata.caused_by(cause), id=event_id)
        fault_point("scorer", "computed")
        appended = append_once(self._engine, [new])
        fault_point("scorer", "recorded")
        log.info("recorded", type=type(event).__name__, first_time=appended)


def _what_was_trained(connection: Connection, finished: TrainingFinished) -> tuple[SubmissionUploaded, ProblemPrepared]:
    for recorded in read_stream(connection, f"submission-{finished.submission_id}"):
        submission = recorded.event()
        if isinstance(submission, SubmissionUploaded):
            prepared = find_prepared(connection, submission.problem_id, submission.problem_version)
            if prepared is not None:
                return submission, prepared
    raise RejectedError(f"the ledger holds no prepared problem for submission {finished.submission_id}")
