"""Asks the scorer again for what it owes: published problems of which nothing came, trained runs without a score.

A message may be lost (a broker's disk), or buried because of a defect that is mended now. A debt is taken for forgotten only if nothing
came of it for longer than a bound above the scorer's own time limits, while a scorer is there and its queue holds nothing ready: so
neither a long queue nor a scorer that is down is mistaken for a loss. It is asked for again by an event, after twice the bound, four
times, and so on, `MAX_REQUESTS` times in all. What then still has no result is nobody's to guess: it stays owed, with a metric that
is red (`palio_given_up`), since only an operator can see why scorers fail at it. Its dead letter, requeued, ends it like any other.

Under faults: the ids are derived, so two orchestrators, or one whose tables are behind, ask once. A scorer that was merely slow
records its result once, whatever it is asked (`services.scorer.consumer`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from prometheus_client import Counter, Gauge
from sqlalchemy import Connection, Engine

from services.orchestrator.challenge_times import ledger_clock
from services.orchestrator.owed import OwedPreparation, OwedScore, count_given_up, due_preparations, due_scores
from shared.events import (
    PreparationRequested,
    ProblemPreparationFailed,
    ProblemPrepared,
    ProblemPublished,
    RecordedEvent,
    ScoreComputed,
    ScoringFailed,
    ScoringRequested,
    TrainingFinished,
)
from shared.faults import fault_point
from shared.ledger import DuplicateEventError, NewEvent, append, derived_id, known_events, read_stream
from shared.telemetry import get_logger

log = get_logger(__name__)

#: After the first bound and then 2, 4, 8, 16 of them: with the default bound, scores are asked for over a day.
MAX_REQUESTS = 5

REMINDED = Counter("palio_asked_again_total", "Preparations and scores that the scorer was asked for again", ["work"])
GIVEN_UP = Gauge(
    "palio_given_up", "Preparations and scores that it was asked for in vain so often that it is asked no more", ["work"]
)


@dataclass(frozen=True)
class QueueState:
    """What the broker says of a queue."""

    ready: int
    consumers: int


class Reminders:
    """Finds what the scorer has forgotten. Look about once a second."""

    def __init__(
        self,
        engine: Engine,
        scorers_queue: Callable[[], Awaitable[QueueState]],
        *,
        idle_after_s: float,
        unprepared_after_s: float,
        unscored_after_s: float,
    ) -> None:
        self._engine = engine
        self._scorers_queue = scorers_queue
        self._idle_after_s = idle_after_s
        self._unprepared_after_s = unprepared_after_s
        self._unscored_after_s = unscored_after_s
        self._idle_since: float | None = None

    async def look(self) -> int:
        """Look once; returns how many requests were made."""
        queue = await self._scorers_queue()
        if queue.ready or not queue.consumers:
            self._idle_since = None
            return 0
        self._idle_since = self._idle_since or time.monotonic()
        if time.monotonic() - self._idle_since < self._idle_after_s:
            return 0
        return await asyncio.to_thread(self.remind)

    def remind(self) -> int:
        """Ask for what is due, whatever the queue holds; returns for how much."""
        with self._engine.connect() as connection:
            now = ledger_clock(connection)
            problems = due_preparations(connection, now, self._unprepared_after_s, MAX_REQUESTS)
            scores = due_scores(connection, now, self._unscored_after_s, MAX_REQUESTS)
            given_up = count_given_up(connection, "owed_preparations", now, self._unprepared_after_s, MAX_REQUESTS)
            GIVEN_UP.labels("preparation").set(given_up)
            given_up = count_given_up(connection, "owed_scores", now, self._unscored_after_s, MAX_REQUESTS)
            GIVEN_UP.labels("score").set(given_up)
        owed: list[OwedPreparation | OwedScore] = [*problems, *scores]
        return sum([self._ask(each) for each in owed])

    def _ask(self, owed: OwedPreparation | OwedScore) -> bool:
        """False if the ledger knows better than the tables did."""
        try:
            with self._engine.begin() as connection:
                request = _preparation_of(connection, owed) if isinstance(owed, OwedPreparation) else _score_of(connection, owed)
                if request is None:
                    return False
                append(connection, [request])
        except DuplicateEventError:
            return False
        fault_point("orchestrator", "asked-again")
        work = "preparation" if isinstance(owed, OwedPreparation) else "score"
        REMINDED.labels(work).inc()
        log.error("asked_again", work=work, stream=request.event.stream, attempt=owed.attempt + 1)
        return True


def _preparation_of(connection: Connection, owed: OwedPreparation) -> NewEvent | None:
    event = PreparationRequested(problem_id=owed.problem_id, version=owed.version, attempt=owed.attempt + 1)
    cause: RecordedEvent | None = None
    for recorded, known in known_events(read_stream(connection, event.stream)):
        match known:
            case ProblemPublished(version=owed.version):
                cause = recorded
            case ProblemPrepared(version=owed.version) | ProblemPreparationFailed(version=owed.version):
                return None
    return _request(event, cause, derived_id("problem", owed.problem_id, owed.version, "preparation-requested", event.attempt))


def _score_of(connection: Connection, owed: OwedScore) -> NewEvent | None:
    event = ScoringRequested(run_id=owed.run_id, submission_id=owed.submission_id, attempt=owed.attempt + 1)
    if any(isinstance(known, ScoreComputed | ScoringFailed) for _, known in known_events(read_stream(connection, event.stream))):
        return None
    run = known_events(read_stream(connection, f"run-{owed.run_id}"))
    cause = next((recorded for recorded, known in run if isinstance(known, TrainingFinished)), None)
    return _request(event, cause, derived_id(owed.run_id, "scoring-requested", event.attempt))


def _request(event: PreparationRequested | ScoringRequested, cause: RecordedEvent | None, event_id: UUID) -> NewEvent | None:
    return None if cause is None else NewEvent(event, cause.metadata.caused_by(cause), id=event_id)
