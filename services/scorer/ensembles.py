"""Ensembles of challenges: which ones are due, and working one out.

One is due when a submission was scored since its challenge's ensemble was looked at last, or another version of the problem was
adopted. Scores that come meanwhile are looked at together. All that is needed is in the read model, so a process that dies at any
moment leaves it due; two that work out the same are told apart by the version of the ensemble's stream, and the later one's result
is dropped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from palio import ensembles as selection
from services.scorer.predictions import Members, StoredRun
from services.scorer.scoring import store_detail
from shared.artefacts import Store
from shared.events import EnsembleComputed, EnsembleEvent, EnsembleFailed, EnsembleMember, Metadata
from shared.execution.ensembling import FoundEnsemble, Known, SelectionFiles, SelectionJob, select_ensemble
from shared.execution.preparation import KitError
from shared.execution.sandbox.port import Limits
from shared.execution.stations import Stations, Stopped
from shared.faults import fault_point
from shared.ledger import ConflictError, NewEvent, Projection, append
from shared.prepared_problems import find_prepared
from shared.telemetry import get_logger
from shared.workbench import LabelsOnHost, Workbench

log = get_logger(__name__)

SELECTION_CODE = Path(selection.__file__).parent
FAILED = "the problem's own code failed while the ensemble was worked out"

_DUE = text(
    "SELECT challenge_id FROM challenges WHERE scored_at_position > looked_at_position ORDER BY scored_at_position, challenge_id"
)
_CHALLENGE = text(
    "SELECT problem_id, problem_version, ensemble_size, ensemble_min_improvement, scored_at_position, stream_version, ensemble"
    " FROM challenges WHERE challenge_id = :challenge_id AND scored_at_position > looked_at_position"
)
# What another version scored may be predictions on other rows. The order is that of uploads: of equal ones the earlier wins.
_CANDIDATES = text(
    "SELECT s.submission_id, r.run_id, c.position, r.output_limit_bytes, r.pool, r.predictions_digests"
    " FROM submissions s JOIN scored c USING (submission_id) JOIN runs r ON r.run_id = c.run_id"
    " WHERE s.challenge_id = :challenge_id AND c.problem_version = :problem_version AND c.position <= :up_to"
    " ORDER BY s.uploaded_at_position"
)


@dataclass(frozen=True)
class Candidate:
    """A scored submission, its run, and where that stands in the ledger."""

    submission_id: UUID
    run: StoredRun
    scored_at_position: int


@dataclass(frozen=True)
class DueEnsemble:
    """What one ensemble is made from. `known`: the one before, if it was made under the same rules."""

    challenge_id: str
    problem_id: str
    problem_version: int
    max_members: int
    min_improvement: float
    up_to_position: int
    stream_version: int
    candidates: tuple[Candidate, ...]
    known: EnsembleComputed | None

    @property
    def job(self) -> SelectionJob:
        """What the sandbox is asked."""
        names = [str(each.run.run_id) for each in self.candidates]
        return SelectionJob(names, self.max_members, self.min_improvement, self._known_picks())

    def _known_picks(self) -> Known | None:
        if self.known is None:
            return None
        since = self.known.up_to_position
        fresh = [place for place, each in enumerate(self.candidates) if each.scored_at_position > since]
        places = {each.run.run_id: place for place, each in enumerate(self.candidates)}
        if len(self.candidates) - len(fresh) != self.known.n_candidates or not all(
            member.run_id in places for member in self.known.members
        ):
            # One is gone, or is back that the store had lost: all are looked at.
            return None
        of_members = [places[member.run_id] for member in self.known.members]
        return Known(picks=[[of_members[pick] for pick in of_fold] for of_fold in self.known.picks], fresh=fresh)


class EnsembleMaker:
    """Works out ensembles. Blocking; safe among processes."""

    def __init__(
        self,
        engine: Engine,
        projection: Projection,
        store: Store,
        workbench: Workbench,
        stations: Stations,
        members: Members,
        limits: Limits,
    ) -> None:
        self._engine = engine
        self._projection = projection
        self._stopped = Stopped()
        self._store = store
        self._workbench = workbench
        self._stations = stations
        self._members = members
        self._limits = limits

    def due(self) -> list[str]:
        """Challenges whose ensemble is to be looked at, those that wait longest first."""
        with self._engine.connect() as connection:
            return list(connection.execute(_DUE).scalars())

    def make(self, challenge_id: str) -> bool:
        """Work out the ensemble of a challenge, unless it is not due any more or another scorer is at it; whether it was recorded.

        Raises as `RunScorer.score` does: what is no fault of the kit's is no result.
        """
        with self._turn(challenge_id) as is_ours:
            if not is_ours:
                return False
            # What was recorded meanwhile, by this scorer or another: nothing is worked out twice.
            self._projection.catch_up()
            due = self._read(challenge_id)
            if due is None:
                return False
            event = self._worked_out(due)
            fault_point("scorer", "ensemble_computed")
            return self._recorded(event, due)

    def stop(self) -> None:
        """End what is under way, for good: it is due again for whoever looks next."""
        self._stopped.set()

    def _recorded(self, event: EnsembleEvent, due: DueEnsemble) -> bool:
        metadata = Metadata(correlation_id=event.stream)
        try:
            with self._engine.begin() as connection:
                append(connection, [NewEvent(event, metadata, due.stream_version)])
        except ConflictError:
            # Another scorer was faster, whose turn was lost: if it is still due then, it is made again.
            return False
        log.info("recorded", type=type(event).__name__, challenge=due.challenge_id, candidates=len(due.candidates))
        return True

    def _worked_out(self, due: DueEnsemble) -> EnsembleEvent:
        with self._engine.connect() as connection:
            prepared = find_prepared(connection, due.problem_id, due.problem_version)
        if prepared is None:
            raise LookupError(f"problem {due.problem_id} {due.problem_version} has scores and no preparation")
        runs = [each.run for each in due.candidates]
        with (
            self._workbench.labels(prepared) as labels,
            self._members.laid_out(runs, labels.manifest) as (folder, there),
        ):
            usable = replace(due, candidates=tuple(each for each in due.candidates if each.run.run_id in there))
            try:
                found = self._selected(usable, labels, folder)
            except KitError as error:
                return self._failed(due, error)
        problems = "\n".join(found.scores.problems) if found.scores else ""
        return computed(usable, found, store_detail(self._store, problems or None))

    def _selected(self, due: DueEnsemble, labels: LabelsOnHost, folder: Path) -> FoundEnsemble:
        if not due.candidates:
            # Nothing is scored yet by a version with other data that was adopted: the ensemble of before is none of its.
            return FoundEnsemble(picks=((),) * labels.manifest.n_folds, scores=None)
        return select_ensemble(
            self._stations,
            labels.environment,
            labels.manifest,
            labels.files,
            SelectionFiles(folder, SELECTION_CODE),
            due.job,
            self._limits,
            self._stopped,
        )

    def _failed(self, due: DueEnsemble, error: KitError) -> EnsembleFailed:
        detail = store_detail(self._store, error.for_organiser)
        log.warning("ensemble_failed", challenge=due.challenge_id, detail_digest=detail)
        return EnsembleFailed(
            challenge_id=due.challenge_id,
            problem_version=due.problem_version,
            up_to_position=due.up_to_position,
            reason=FAILED,
            detail_digest=detail,
        )

    def _read(self, challenge_id: str) -> DueEnsemble | None:
        with self._engine.connect() as connection:
            return read_due(connection, challenge_id)

    @contextmanager
    def _turn(self, challenge_id: str) -> Iterator[bool]:
        """Whether it is this scorer's turn: one at a time works on a challenge. Only to spare work, so losing it does no harm."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            taken = text("SELECT pg_try_advisory_lock(hashtext('palio.ensemble'), hashtext(:challenge_id))")
            try:
                yield bool(connection.execute(taken, {"challenge_id": challenge_id}).scalar_one())
            finally:
                # Closed for real: the pool must not keep the lock.
                connection.invalidate()


def read_due(connection: Connection, challenge_id: str) -> DueEnsemble | None:
    """What a challenge's ensemble is to be made from; None if it is not due."""
    row = connection.execute(_CHALLENGE, {"challenge_id": challenge_id}).one_or_none()
    if row is None:
        return None
    values = {"challenge_id": challenge_id, "problem_version": row.problem_version, "up_to": row.scored_at_position}
    known = EnsembleComputed.model_validate_json(row.ensemble) if row.ensemble else None
    return DueEnsemble(
        challenge_id=challenge_id,
        problem_id=row.problem_id,
        problem_version=row.problem_version,
        max_members=row.ensemble_size,
        min_improvement=row.ensemble_min_improvement,
        up_to_position=row.scored_at_position,
        stream_version=row.stream_version,
        candidates=tuple(
            Candidate(
                each.submission_id,
                StoredRun(each.run_id, each.pool, tuple(each.predictions_digests), each.output_limit_bytes),
                each.position,
            )
            for each in connection.execute(_CANDIDATES, values)
        ),
        known=known if known is not None and known.problem_version == row.problem_version else None,
    )


def computed(due: DueEnsemble, found: FoundEnsemble, detail_digest: str | None = None) -> EnsembleComputed:
    """The fact: picks by member instead of candidate, and what each contributes."""
    shares = selection.contributivity(found.picks)
    members = sorted(shares)
    places = {candidate: place for place, candidate in enumerate(members)}
    scores = found.scores
    known = due.known if scores is None and members else None
    return EnsembleComputed(
        challenge_id=due.challenge_id,
        problem_version=due.problem_version,
        up_to_position=due.up_to_position,
        n_candidates=len(due.candidates),
        members=tuple(
            EnsembleMember(
                submission_id=due.candidates[member].submission_id,
                run_id=due.candidates[member].run.run_id,
                contributivity=shares[member],
            )
            for member in members
        ),
        picks=tuple(tuple(places[pick] for pick in of_fold) for of_fold in found.picks),
        combined=scores.combined if scores else known.combined if known else (),
        foldwise_best=scores.foldwise_best if scores else known.foldwise_best if known else (),
        curve=scores.curve if scores else known.curve if known else (),
        detail_digest=detail_digest,
    )
