"""A pass: everything in a challenge that a version of its problem has not scored yet is scored by it, from stored predictions.

Each run is scored in an append of its own. So a death half-way costs what was under way, and who passes again finds the rest. What is
scored by the other versions while a pass goes on is found by looking again, until nothing is new.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine

from services.scorer.scoring import RunScorer
from services.scorer.standings import Standing, Standings, newer_runs, read_standings
from shared.bus.consumer import RejectedError
from shared.events import ProblemPrepared, RecordedEvent, RescoringFailed, RunRescored, ScoreComputed
from shared.execution.prepared import Manifest
from shared.faults import fault_point
from shared.ledger import DuplicateEventError, NewEvent, Projection, append, derived_id, known_events, read_stream
from shared.prepared_problems import find_prepared
from shared.telemetry import bind_log_context, get_logger
from shared.workbench import Workbench

log = get_logger(__name__)


class _OvertakenError(Exception):
    """A newer run of the submission has a score by the version."""


@dataclass(frozen=True)
class Step:
    """From scores by the versions `scored_by` to scores by the version that `prepared` is of; `cause` asked for it."""

    challenge_id: str
    scored_by: range
    prepared: ProblemPrepared
    cause: RecordedEvent


class Passes:
    """Passes over challenges.

    A new submission's team waits for its score, an organiser's three hundred do not: passes have half of the turns at scoring, all of
    them together, and take each turn for one run. Turns go in the order of asking. So whatever passes are under way, a new submission
    waits for no more than one run of theirs on each turn.
    """

    def __init__(
        self,
        engine: Engine,
        projection: Projection,
        workbench: Workbench,
        scorer: RunScorer,
        turns: asyncio.Semaphore,
        scores_at_once: int,
    ) -> None:
        """`turns`: those of everybody who scores, `scores_at_once` of them."""
        self._engine = engine
        self._projection = projection
        self._workbench = workbench
        self._scorer = scorer
        self._turns = turns
        self._own_turns = asyncio.Semaphore(max(1, scores_at_once // 2))

    async def make(self, step: Step) -> Standings:
        """Score what lags; returns how all stands then. What lags still was trained on other data.

        Raises as `RunScorer.score` does: then no further run is begun, and those under way are recorded first.
        """
        seen: set[UUID] = set()
        while True:
            standings, scorable = await asyncio.to_thread(self._look, step)
            fresh = [each for each in scorable if each.run.stored.run_id not in seen]
            if not fresh:
                return standings
            seen.update(each.run.stored.run_id for each in fresh)
            await self._rescore_all(step, fresh)

    async def _rescore_all(self, step: Step, standings: Iterable[Standing]) -> None:
        failures: list[Exception] = []

        async def one(standing: Standing) -> None:
            async with self._own_turns, self._turns:
                if not failures:
                    try:
                        await asyncio.to_thread(self._rescore, step, standing)
                    except Exception as error:  # noqa: BLE001 - raised below: a thread can't be cancelled, and what is under way counts
                        failures.append(error)

        async with asyncio.TaskGroup() as tasks:
            for each in standings:
                tasks.create_task(one(each))
        if failures:
            raise failures[0]

    def _look(self, step: Step) -> tuple[Standings, list[Standing]]:
        """How all stands now, and what of it can be scored from stored predictions."""
        self._projection.catch_up()
        with self._engine.connect() as connection:
            standings = read_standings(connection, step.challenge_id, step.scored_by, step.prepared.version)
            trained_on = {
                version: required_preparation(connection, step.prepared.problem_id, version)
                for version in {each.trained_on for each in standings.lagging}
            }
        wanted = self._workbench.manifest(step.prepared.manifest_digest)
        counts = {
            version: predictions_count(self._workbench.manifest(prepared.manifest_digest), wanted)
            for version, prepared in trained_on.items()
        }
        return standings, [each for each in standings.lagging if counts[each.trained_on]]

    def _rescore(self, step: Step, standing: Standing) -> None:
        run_id = standing.run.stored.run_id
        with bind_log_context(submission_id=str(standing.run.submission_id), run_id=str(run_id)):
            event = self._scorer.rescore(standing.run, step.prepared)
            # A newer run may have been asked for since the pass looked.
            self._projection.catch_up()
            reason = None
            try:
                # A death before the commit: the run lags, and is scored again. After it: it does not lag any more.
                self._append(event, standing, step.cause)
            except (DuplicateEventError, _OvertakenError) as error:
                reason = type(error).__name__
            fault_point("scorer", "rescored")
            log.info("rescored", type=type(event).__name__, version=event.problem_version, not_recorded_for=reason)

    def _append(self, event: RunRescored | RescoringFailed, standing: Standing, cause: RecordedEvent) -> None:
        event_id = derived_id(event.run_id, "score", event.problem_version)
        with self._engine.begin() as connection:
            newer = newer_runs(connection, standing)
            append(connection, [NewEvent(event, cause.metadata.caused_by(cause), id=event_id)])
            # Of a submission's scores by a version the one recorded last counts everywhere, and it must be the newest run's. The
            # ledger is locked from the append on, so a score that is not there now comes after this one. That of a run on an earlier
            # version is another scorer's, which began its pass later.
            if any(_is_scored_by(connection, run_id, event.problem_version) for run_id in newer):
                raise _OvertakenError


def _is_scored_by(connection: Connection, run_id: UUID, version: int) -> bool:
    scores = known_events(read_stream(connection, f"score-{run_id}"))
    return any(isinstance(event, ScoreComputed | RunRescored) and event.problem_version == version for _, event in scores)


def required_preparation(connection: Connection, problem_id: str, version: int) -> ProblemPrepared:
    """The preparation of a version. Raises `RejectedError` if there is none."""
    prepared = find_prepared(connection, problem_id, version)
    if prepared is None:
        raise RejectedError(f"version {version} of problem {problem_id} is not prepared")
    return prepared


def predictions_count(trained_on: Manifest, wanted: Manifest) -> bool:
    """Whether predictions on one version of a problem are predictions on another: same X, folds and labels to train on, same form. Pure.

    Labels of the test set, metrics, and how predictions are combined may differ.
    """
    return _data(trained_on) == _data(wanted)


def _data(manifest: Manifest) -> tuple[object, ...]:
    # A fold's file has the labels that it may see. X may be names of files in the shown folders. `expected`: how many rows, and the
    # shape of one.
    return (
        manifest.x_train,
        manifest.x_test,
        manifest.folds,
        manifest.shown,
        manifest.shown_folders,
        manifest.expected,
    )
