"""Another version of a challenge's problem: a dry run of its scores, its adoption, and what came too late for either.

A pass over hundreds of runs is one message, which is not acknowledged for as long as it takes: the queues' acknowledgement timeout
(`CONSUMER_TIMEOUT_MS`) is days. If the process dies meanwhile, the message comes again, and the pass goes on where it was.
"""

import asyncio
from uuid import UUID
from weakref import WeakValueDictionary

from sqlalchemy import Engine

from services.scorer.adoption import adopt
from services.scorer.passes import Passes, Step, required_preparation
from services.scorer.standings import Standing, Standings, find_version
from shared.bus.consumer import RejectedError
from shared.events import (
    ProblemPrepared,
    RecordedEvent,
    RescoringComputed,
    RescoringConfirmed,
    RescoringFailed,
    RescoringRequested,
    ScoreComputed,
)
from shared.ledger import NewEvent, Projection, append_once, derived_id, read_stream
from shared.telemetry import get_logger

log = get_logger(__name__)


class Rescorer:
    """Says what comes of a version for a challenge. Passes over one challenge for one version go one after another."""

    def __init__(self, engine: Engine, projection: Projection, passes: Passes) -> None:
        self._engine = engine
        self._projection = projection
        self._passes = passes
        #: Under way here, by challenge and version: a second one would score the same runs beside the first.
        self._under_way: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()

    async def when_requested(self, event: RescoringRequested, recorded: RecordedEvent) -> None:
        """A pass, then `RescoringComputed`, once for each request. Nothing, if the challenge runs a later version by now.

        Raises `RejectedError` for a version that is not prepared, and as `Passes.make` does.
        """
        event_id = derived_id(recorded.id, "computed")
        async with self._alone(event.challenge_id, event.problem_version):
            if await asyncio.to_thread(self._is_recorded, event.stream, event_id):
                return
            step = await asyncio.to_thread(self._step, event, recorded)
            if step.scored_by.start > event.problem_version:
                log.warning("overtaken", challenge=event.challenge_id, version=event.problem_version, by=step.scored_by.start)
                return
            computed = _computed(event, await self._passes.make(step))
            # A death before this append: all is scored, and the next pass has nothing to do but to count. After it: it is recorded.
            await asyncio.to_thread(self._append, computed, recorded, event_id)

    async def when_confirmed(self, event: RescoringConfirmed, recorded: RecordedEvent) -> None:
        """A pass over what came meanwhile, then `ProblemVersionAdopted`. Nothing, if the challenge runs this version or a later one.

        `RescoringComputed` instead, if something has no score and that was not asked for: what came meanwhile must not fall off boards.
        Raises as `when_requested` does.
        """
        async with self._alone(event.challenge_id, event.problem_version):
            step = await asyncio.to_thread(self._step, event, recorded)
            if step.scored_by.start < event.problem_version:
                standings = await self._passes.make(step)
                if (standings.n_failed or standings.lagging) and not event.without_missing:
                    await asyncio.to_thread(
                        self._append, _computed(event, standings), recorded, derived_id(recorded.id, "computed")
                    )
                    return
                # A death before the append in it: the next pass has nothing to do. After it: the challenge runs this version.
                await asyncio.to_thread(adopt, self._engine, self._projection, event.challenge_id, step.prepared, recorded)

    async def when_scored(self, event: ScoreComputed, recorded: RecordedEvent) -> None:
        """If the challenge has left the version that a run was scored by: `bring_up`, since nobody asks for it.

        If that can't be, the run has failed: its submission would be silent for ever, being on no board.
        """
        found = await asyncio.to_thread(self._version_of, event.challenge_id)
        if found is None or event.problem_version >= found[1]:
            return
        left_behind = await self.bring_up(event.challenge_id, recorded)
        if event.run_id in {each.run.stored.run_id for each in left_behind}:
            # A death before: the message comes again. After: the id is the same.
            event_id = derived_id(event.run_id, "score", found[1])
            await asyncio.to_thread(self._append, _left_behind(event, found[1]), recorded, event_id)

    async def bring_up(self, challenge_id: str, recorded: RecordedEvent) -> tuple[Standing, ...]:
        """A pass for the challenge's own version: what earlier ones scored late, or after the pass before the adoption.

        Returns what was trained on other data, which stays behind until it is trained again. Raises as `Passes.make` does.
        """
        found = await asyncio.to_thread(self._version_of, challenge_id)
        if found is None:
            return ()
        problem_id, version = found
        async with self._alone(challenge_id, version):
            prepared = await asyncio.to_thread(self._prepared, problem_id, version)
            standings = await self._passes.make(Step(challenge_id, range(1, version), prepared, recorded))
        if standings.lagging:
            log.warning("left_behind", challenge=challenge_id, version=version, submissions=len(standings.lagging))
        return tuple(standings.lagging)

    def _alone(self, challenge_id: str, version: int) -> asyncio.Lock:
        return self._under_way.setdefault((challenge_id, version), asyncio.Lock())

    def _step(self, event: RescoringRequested | RescoringConfirmed, recorded: RecordedEvent) -> Step:
        """From what the challenge runs now to the version that is wanted."""
        found = self._version_of(event.challenge_id)
        if found is None:
            raise RejectedError(f"there is no challenge {event.challenge_id}")
        problem_id, present = found
        prepared = self._prepared(problem_id, event.problem_version)
        return Step(event.challenge_id, range(present, present + 1), prepared, recorded)

    def _prepared(self, problem_id: str, version: int) -> ProblemPrepared:
        with self._engine.connect() as connection:
            return required_preparation(connection, problem_id, version)

    def _version_of(self, challenge_id: str) -> tuple[str, int] | None:
        self._projection.catch_up()
        with self._engine.connect() as connection:
            return find_version(connection, challenge_id)

    def _is_recorded(self, stream: str, event_id: UUID) -> bool:
        with self._engine.connect() as connection:
            return any(each.id == event_id for each in read_stream(connection, stream))

    def _append(self, event: RescoringComputed | RescoringFailed, cause: RecordedEvent, event_id: UUID) -> None:
        appended = append_once(self._engine, [NewEvent(event, cause.metadata.caused_by(cause), id=event_id)])
        log.info("recorded", type=type(event).__name__, first_time=appended)


def _left_behind(event: ScoreComputed, version: int) -> RescoringFailed:
    reason = f"the challenge runs version {version} of its problem now, on other data: its organiser can have this trained again"
    return RescoringFailed(
        run_id=event.run_id,
        submission_id=event.submission_id,
        challenge_id=event.challenge_id,
        problem_version=version,
        outcome="kit_error",
        reason=reason,
        detail_digest=None,
    )


def _computed(event: RescoringRequested | RescoringConfirmed, standings: Standings) -> RescoringComputed:
    return RescoringComputed(
        challenge_id=event.challenge_id,
        problem_version=event.problem_version,
        up_to_position=standings.position,
        n_scored=standings.n_scored,
        n_failed=standings.n_failed,
        n_to_retrain=len(standings.lagging),
    )
