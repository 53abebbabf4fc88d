"""The scorer's queue: problems to prepare, runs to score, also by another version, scores after which ensembles are looked at.

Compute first, outside any transaction; store objects under their content's name; append last; acknowledge after the commit. A
death before the append leaves objects that nothing names, and the message comes again; a death after it too, and the append
with the same derived id changes nothing.
"""

import asyncio
from collections.abc import Callable
from uuid import UUID
from weakref import WeakValueDictionary

from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import Connection, Engine

from services.scorer.predictions import StoredRun
from services.scorer.preparation import ProblemPreparer
from services.scorer.rescoring import Rescorer
from services.scorer.scoring import RunScorer, TrainedRun
from shared.bus.consumer import RejectedError
from shared.bus.doorbell import Doorbell
from shared.bus.received import read_event
from shared.events import (
    Event,
    Outcome,
    PreparationRequested,
    ProblemPrepared,
    ProblemPublished,
    ProblemVersionAdopted,
    RecordedEvent,
    RescoringConfirmed,
    RescoringRequested,
    RunRequested,
    ScoreComputed,
    ScoringRequested,
    TrainingFinished,
)
from shared.faults import fault_point
from shared.ledger import NewEvent, append_once, derived_id, known_events, read_stream
from shared.prepared_problems import find_prepared
from shared.runs import find_asked
from shared.telemetry import bind_log_context, get_logger

log = get_logger(__name__)

#: The orchestrator's, for what it takes for forgotten.
_ASKED_AGAIN = frozenset({PreparationRequested.__name__, ScoringRequested.__name__})


class ScorerConsumer:
    """Prepares one problem at a time, and scores runs beside it, so that neither waits for the other."""

    def __init__(
        self,
        engine: Engine,
        preparer: ProblemPreparer,
        scorer: RunScorer,
        rescorer: Rescorer,
        follower: Doorbell,
        turns: asyncio.Semaphore,
    ) -> None:
        """`turns`: how many runs may be scored at once, the `rescorer`'s with them."""
        self._engine = engine
        self._follower = follower
        self._preparer = preparer
        self._scorer = scorer
        self._rescorer = rescorer
        self._preparing = asyncio.Semaphore(1)
        self._scoring = turns
        #: What is under way here, or waits here for its turn.
        self._at_it: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Raises what `read_event` does, and `RejectedError` for a request for what the ledger does not hold."""
        recorded = await read_event(self._engine, message)
        event = recorded.event()
        with bind_log_context(correlation_id=recorded.metadata.correlation_id):
            match event:
                case ProblemPublished() | PreparationRequested():
                    await self._once(f"problem {event.problem_id} {event.version}", self._preparing, self.prepare, recorded)
                case TrainingFinished(outcome=Outcome.TRAINED) | ScoringRequested():
                    await self._once(f"run {event.run_id}", self._scoring, self.score, recorded)
                case RescoringRequested():
                    await self._rescorer.when_requested(event, recorded)
                case RescoringConfirmed():
                    await self._rescorer.when_confirmed(event, recorded)
                case ScoreComputed():
                    await self._follower.ring(recorded.position)
                    await self._rescorer.when_scored(event, recorded)
                case ProblemVersionAdopted():
                    await self._follower.ring(recorded.position)
                    await self._rescorer.bring_up(event.challenge_id, recorded)

    async def _once(
        self, what: str, turns: asyncio.Semaphore, work: Callable[[RecordedEvent], None], recorded: RecordedEvent
    ) -> None:
        """Do it, but not twice at the same time in this process.

        Asked again for what it is at, it has nothing to do: the message that began it is not acknowledged yet, and comes again if
        this process dies. A message that came a second time waits, and then finds the result. Another scorer may be at the same:
        then one of the two results is recorded, and building environments goes by turns anyway.
        """
        under_way = self._at_it.setdefault(what, asyncio.Lock())
        if under_way.locked() and recorded.type in _ASKED_AGAIN:
            log.info("at_it_already", what=what)
            return
        async with under_way, turns:
            await asyncio.to_thread(work, recorded)

    def prepare(self, recorded: RecordedEvent) -> None:
        """Prepare a version of a problem, once: what came of it has an id made from problem and version."""
        asked = recorded.event()
        if not isinstance(asked, ProblemPublished | PreparationRequested):
            raise TypeError(f"{recorded.type} asks for no preparation")
        event_id = derived_id("problem", asked.problem_id, asked.version, "preparation")
        with self._engine.connect() as connection:
            stream = read_stream(connection, asked.stream)
        if any(each.id == event_id for each in stream):
            return
        self._append(self._preparer.prepare(_published(stream, asked.version)), recorded, event_id)

    def score(self, recorded: RecordedEvent) -> None:
        """Score a run, once."""
        asked = recorded.event()
        if not isinstance(asked, TrainingFinished | ScoringRequested):
            raise TypeError(f"{recorded.type} asks for no score")
        event_id = derived_id(asked.run_id, "score")
        with self._engine.connect() as connection:
            if any(each.id == event_id for each in read_stream(connection, f"score-{asked.run_id}")):
                return
            finished = asked if isinstance(asked, TrainingFinished) else _finished(connection, asked)
            run, prepared = _what_was_trained(connection, finished)
        with bind_log_context(submission_id=str(finished.submission_id), run_id=str(finished.run_id)):
            self._append(self._scorer.score(run, prepared), recorded, event_id)

    def _append(self, event: Event, cause: RecordedEvent, event_id: UUID) -> None:
        new = NewEvent(event, cause.metadata.caused_by(cause), id=event_id)
        fault_point("scorer", "computed")
        appended = append_once(self._engine, [new])
        fault_point("scorer", "recorded")
        log.info("recorded", type=type(event).__name__, first_time=appended)


def _published(stream: list[RecordedEvent], version: int) -> ProblemPublished:
    for _, event in known_events(stream):
        if isinstance(event, ProblemPublished) and event.version == version:
            return event
    raise RejectedError(f"version {version} of this problem was never published")


def _finished(connection: Connection, asked: ScoringRequested) -> TrainingFinished:
    for _, event in known_events(read_stream(connection, f"run-{asked.run_id}")):
        if isinstance(event, TrainingFinished) and event.outcome is Outcome.TRAINED:
            return event
    raise RejectedError(f"run {asked.run_id} is not trained")


def _what_was_trained(connection: Connection, finished: TrainingFinished) -> tuple[TrainedRun, ProblemPrepared]:
    """The run, and the version of the problem that it was trained on: that which its request named, or its submission's upload.

    A reproduction's request names that of the run that it is compared with.
    """
    found = find_asked(connection, finished.submission_id, finished.run_id)
    prepared = find_prepared(connection, found[1].problem_id, found[1].problem_version) if found else None
    if found is None or prepared is None:
        raise RejectedError(f"the ledger holds no prepared problem for submission {finished.submission_id}")
    _, asked, _ = found
    stored = StoredRun(finished.run_id, finished.pool, finished.predictions_digests, asked.limits.output_limit_bytes)
    of_run_id = asked.of_run_id if isinstance(asked, RunRequested) else None
    return TrainedRun(stored, finished.submission_id, asked.challenge_id, of_run_id), prepared
