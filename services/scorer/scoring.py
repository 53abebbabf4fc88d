"""Scoring one run: the predictions that the ledger names, against labels that only the scorer reads."""

import hashlib
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from uuid import UUID

from services.scorer.predictions import StoredRun, fetch_predictions
from shared.artefacts import Bucket, Store, details_key
from shared.events import (
    BaggedScore,
    FoldScore,
    Outcome,
    ProblemPrepared,
    RescoringFailed,
    RunReproduced,
    RunRescored,
    ScoreComputed,
    ScoringFailed,
)
from shared.execution.arrays import BadPredictionsError
from shared.execution.cache import TooLargeError
from shared.execution.environments.interpreters import MissingInterpreterError
from shared.execution.preparation import KitError
from shared.execution.sandbox.port import Limits
from shared.execution.scoring import score_run
from shared.execution.stations import Stations
from shared.telemetry import get_logger
from shared.workbench import Workbench

log = get_logger(__name__)

#: What a team reads when the code of the kit fails on its predictions.
KIT_FAILED = "the problem's own code failed while it scored this submission; ask its organiser, who can be told why"


@dataclass(frozen=True)
class TrainedRun:
    """A trained run: whose it is, and where its predictions are. `of_run_id`: what a reproduction is compared with, else None."""

    stored: StoredRun
    submission_id: UUID
    challenge_id: str
    of_run_id: UUID | None = None

    @property
    def ids(self) -> dict[str, object]:
        """What every event about its scores says of it."""
        return {"run_id": self.stored.run_id, "submission_id": self.submission_id, "challenge_id": self.challenge_id}


@dataclass(frozen=True)
class Numbers:
    """What predictions are worth, as `ScoreEvent` has it."""

    folds: tuple[FoldScore, ...]
    bagged: tuple[BaggedScore, ...]
    detail_digest: str | None


@dataclass(frozen=True)
class Fault:
    """Why there are no numbers, as `ScoringFailed` has it."""

    outcome: Outcome
    reason: str
    detail_digest: str | None = None


class RunScorer:
    """Scores runs. Blocking; safe among threads."""

    def __init__(self, store: Store, workbench: Workbench, stations: Stations, limits: Limits) -> None:
        self._store = store
        self._workbench = workbench
        self._stations = stations
        self._limits = limits

    def score(self, run: TrainedRun, prepared: ProblemPrepared) -> ScoreComputed | RunReproduced | ScoringFailed:
        """The scores of a run by the version that it was trained on, or why there are none.

        Raises what a server that is away raises; `SandboxError` if this machine fails, and `MissingArtefactError` for labels or an
        environment that the store has lost. Neither is a result: it is tried again, and an operator told, since what is recorded
        here can't be taken back.
        """
        found = self._judged(run, prepared)
        if isinstance(found, Fault):
            return ScoringFailed.model_validate({**run.ids, **_fields(found)})
        says = {**run.ids, "problem_version": prepared.version, **_fields(found)}
        if run.of_run_id is None:
            return ScoreComputed.model_validate(says)
        return RunReproduced.model_validate({**says, "of_run_id": run.of_run_id})

    def rescore(self, run: TrainedRun, prepared: ProblemPrepared) -> RunRescored | RescoringFailed:
        """The scores of a run by another version, on whose data its predictions count too, or why there are none. Raises as `score` does."""
        found = self._judged(run, prepared)
        says = {**run.ids, "problem_version": prepared.version, **_fields(found)}
        return (RescoringFailed if isinstance(found, Fault) else RunRescored).model_validate(says)

    def _judged(self, run: TrainedRun, prepared: ProblemPrepared) -> Numbers | Fault:
        try:
            return self._numbers(run, prepared)
        except KitError as error:
            # The team reads the reason, and the words of code that holds the labels may hold some: they are the organiser's alone.
            return Fault(Outcome.KIT_ERROR, KIT_FAILED, store_detail(self._store, error.for_organiser))
        except (MissingInterpreterError, TooLargeError) as error:
            return Fault(Outcome.ENVIRONMENT_ERROR, str(error))
        except BadPredictionsError as error:
            # The trainer had checked and uploaded them: the machine that did is broken, or lies.
            return Fault(Outcome.SYSTEM_ERROR, f"the stored predictions can't be used: {error}")

    def _numbers(self, run: TrainedRun, prepared: ProblemPrepared) -> Numbers:
        with (
            self._workbench.labels(prepared) as labels,
            tempfile.TemporaryDirectory(prefix="palio-score-") as folder,
        ):
            predictions = fetch_predictions(self._store, run.stored, Path(folder))
            scores = score_run(self._stations, labels.environment, labels.manifest, labels.files, predictions, self._limits)
        # Words of code that holds the labels: kept where the organiser's details are, and in no log.
        detail = store_detail(self._store, "\n".join(scores.problems) or None)
        if detail:
            log.warning("metrics_failed", problems=len(scores.problems), detail_digest=detail, challenge=run.challenge_id)
        return Numbers(scores.folds, scores.bagged, detail)


def _fields(found: Numbers | Fault) -> dict[str, object]:
    return {each.name: getattr(found, each.name) for each in fields(found)}


def store_detail(store: Store, detail: str | None) -> str | None:
    """Keep what an organiser may read of a failure; returns its digest, or None for nothing."""
    if detail is None:
        return None
    content = detail.encode(errors="replace")
    digest = hashlib.sha256(content).hexdigest()
    store.put_bytes(Bucket.PRIVATE, details_key(digest), content)
    return digest
