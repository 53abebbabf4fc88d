"""Scoring one run: the predictions that the ledger names, against labels that only the scorer reads."""

import hashlib
import tempfile
from pathlib import Path

from services.scorer.predictions import StoredRun, fetch_predictions
from shared.artefacts import Bucket, Store, details_key
from shared.events import Outcome, ProblemPrepared, ScoreComputed, ScoringFailed, SubmissionUploaded, TrainingFinished
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


class RunScorer:
    """Scores runs. Blocking; safe among threads."""

    def __init__(self, store: Store, workbench: Workbench, stations: Stations, limits: Limits) -> None:
        self._store = store
        self._workbench = workbench
        self._stations = stations
        self._limits = limits

    def score(
        self, finished: TrainingFinished, submission: SubmissionUploaded, prepared: ProblemPrepared
    ) -> ScoreComputed | ScoringFailed:
        """The scores of a trained run, or why there are none.

        Raises what a server that is away raises; `SandboxError` if this machine fails, and `MissingArtefactError` for labels or an
        environment that the store has lost. Neither is a result: it is tried again, and an operator told, since what is recorded
        here can't be taken back.
        """
        try:
            return self._score(finished, submission, prepared)
        except KitError as error:
            # The team reads the reason, and the words of code that holds the labels may hold some: they are the organiser's alone.
            return self._failed(finished, submission, Outcome.KIT_ERROR, KIT_FAILED, error.for_organiser)
        except (MissingInterpreterError, TooLargeError) as error:
            return self._failed(finished, submission, Outcome.ENVIRONMENT_ERROR, str(error))
        except BadPredictionsError as error:
            # The trainer had checked and uploaded them: the machine that did is broken, or lies.
            return self._failed(finished, submission, Outcome.SYSTEM_ERROR, f"the stored predictions can't be used: {error}")

    def _score(self, finished: TrainingFinished, submission: SubmissionUploaded, prepared: ProblemPrepared) -> ScoreComputed:
        with (
            self._workbench.labels(prepared) as labels,
            tempfile.TemporaryDirectory(prefix="palio-score-") as folder,
        ):
            predictions = fetch_predictions(self._store, _stored(finished, submission), Path(folder))
            scores = score_run(self._stations, labels.environment, labels.manifest, labels.files, predictions, self._limits)
        # Words of code that holds the labels: kept where the organiser's details are, and in no log.
        detail = store_detail(self._store, "\n".join(scores.problems) or None)
        if detail:
            log.warning("metrics_failed", problems=len(scores.problems), detail_digest=detail, challenge=submission.challenge_id)
        return ScoreComputed(
            run_id=finished.run_id,
            submission_id=finished.submission_id,
            challenge_id=submission.challenge_id,
            problem_version=prepared.version,
            folds=scores.folds,
            bagged=scores.bagged,
            detail_digest=detail,
        )

    def _failed(
        self, finished: TrainingFinished, submission: SubmissionUploaded, outcome: Outcome, reason: str, detail: str | None = None
    ) -> ScoringFailed:
        return ScoringFailed.model_validate(
            {
                "run_id": finished.run_id,
                "submission_id": finished.submission_id,
                "challenge_id": submission.challenge_id,
                "outcome": outcome.value,
                "reason": reason,
                "detail_digest": store_detail(self._store, detail),
            }
        )


def _stored(finished: TrainingFinished, submission: SubmissionUploaded) -> StoredRun:
    return StoredRun(finished.run_id, finished.pool, finished.predictions_digests, submission.limits.output_limit_bytes)


def store_detail(store: Store, detail: str | None) -> str | None:
    """Keep what an organiser may read of a failure; returns its digest, or None for nothing."""
    if detail is None:
        return None
    content = detail.encode(errors="replace")
    digest = hashlib.sha256(content).hexdigest()
    store.put_bytes(Bucket.PRIVATE, details_key(digest), content)
    return digest
