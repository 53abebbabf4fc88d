"""What the scorer keeps of the ledger: candidates for ensembles, and up to where each challenge's ensemble has looked."""

from pathlib import Path

from services.scorer.tables import CHALLENGES, RUNS, SUBMISSIONS
from shared.events import (
    ChallengeCreated,
    EnsembleComputed,
    EnsembleEvent,
    EnsembleFailed,
    Outcome,
    RecordedEvent,
    ScoreComputed,
    SubmissionUploaded,
    TrainingFinished,
)
from shared.ledger import Handlers, ReadModel, Rows


def when_challenge_created(rows: Rows, event: ChallengeCreated, _recorded: RecordedEvent) -> None:
    """A challenge, and what its ensembles may be."""
    rows.insert(
        CHALLENGES,
        challenge_id=event.challenge_id,
        problem_id=event.problem_id,
        problem_version=event.problem_version,
        ensemble_size=event.ensemble_size,
        ensemble_min_improvement=event.ensemble_min_improvement,
    )


def when_submission_uploaded(rows: Rows, event: SubmissionUploaded, recorded: RecordedEvent) -> None:
    """The earlier submission goes first where two are equally good."""
    rows.insert(
        SUBMISSIONS,
        submission_id=event.submission_id,
        challenge_id=event.challenge_id,
        uploaded_at_position=recorded.position,
        output_limit_bytes=event.limits.output_limit_bytes,
    )


def when_training_finished(rows: Rows, event: TrainingFinished, _recorded: RecordedEvent) -> None:
    """Where the predictions of a trained run are."""
    if event.outcome is Outcome.TRAINED:
        rows.insert(RUNS, run_id=event.run_id, pool=event.pool, predictions_digests=list(event.predictions_digests))


def when_score_computed(rows: Rows, event: ScoreComputed, recorded: RecordedEvent) -> None:
    """A candidate, or another run of one: its challenge's ensemble is to be looked at."""
    rows.update(
        SUBMISSIONS,
        (event.submission_id,),
        run_id=event.run_id,
        problem_version=event.problem_version,
        scored_at_position=recorded.position,
    )
    rows.update(CHALLENGES, (event.challenge_id,), scored_at_position=recorded.position)


def when_ensemble_computed(rows: Rows, event: EnsembleComputed, recorded: RecordedEvent) -> None:
    """What the next one begins from."""
    _looked(rows, event, recorded, ensemble=event.model_dump_json())


def when_ensemble_failed(rows: Rows, event: EnsembleFailed, recorded: RecordedEvent) -> None:
    """Looked at in vain; the next score may be another matter."""
    _looked(rows, event, recorded)


def _looked(rows: Rows, event: EnsembleEvent, recorded: RecordedEvent, **columns: str) -> None:
    rows.update(
        CHALLENGES,
        (event.challenge_id,),
        looked_at_position=event.up_to_position,
        stream_version=recorded.version,
        **columns,
    )


HANDLERS: Handlers = {
    ChallengeCreated: when_challenge_created,
    SubmissionUploaded: when_submission_uploaded,
    TrainingFinished: when_training_finished,
    ScoreComputed: when_score_computed,
    EnsembleComputed: when_ensemble_computed,
    EnsembleFailed: when_ensemble_failed,
}

READ_MODEL = ReadModel("scorer", Path(__file__).parent / "migrations", HANDLERS)
