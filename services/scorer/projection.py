"""What the scorer keeps of the ledger: which run of a submission stands by which version of the problem, and how far ensembles looked.

From the first follows what there is to be combined, and what there is to be scored by another version.
"""

from pathlib import Path
from uuid import UUID

from services.scorer.tables import CHALLENGES, NOT_RESCORED, RUNS, SCORED, SUBMISSIONS
from shared.events import (
    ChallengeCreated,
    EnsembleComputed,
    EnsembleEvent,
    EnsembleFailed,
    Outcome,
    ProblemVersionAdopted,
    RecordedEvent,
    RescoringFailed,
    RunRequested,
    RunRescored,
    ScoreComputed,
    SubmissionUploaded,
    TrainingFinished,
)
from shared.ledger import Handlers, ReadModel, Rows
from shared.runs import run_id_of


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


def when_problem_version_adopted(rows: Rows, event: ProblemVersionAdopted, recorded: RecordedEvent) -> None:
    """Other scores count: where there were any, its ensemble is to be looked at."""
    challenge = rows.the(CHALLENGES, (event.challenge_id,))
    due = {"scored_at_position": recorded.position} if challenge["scored_at_position"] else {}
    rows.update(CHALLENGES, (event.challenge_id,), problem_version=event.problem_version, **due)


def when_submission_uploaded(rows: Rows, event: SubmissionUploaded, recorded: RecordedEvent) -> None:
    """A submission, and its first run. The earlier submission goes first where two are equally good."""
    rows.insert(
        SUBMISSIONS,
        submission_id=event.submission_id,
        challenge_id=event.challenge_id,
        team_id=event.team_id,
        submitted_at=recorded.recorded_at,
        uploaded_at_position=recorded.position,
    )
    _run(rows, run_id_of(event.submission_id), 1, event)


def when_run_requested(rows: Rows, event: RunRequested, _recorded: RecordedEvent) -> None:
    """Another run of a submission; a reproduction is nothing that stands anywhere."""
    if event.purpose == "retrain":
        _run(rows, event.run_id, event.number, event)


def when_training_finished(rows: Rows, event: TrainingFinished, _recorded: RecordedEvent) -> None:
    """Where the predictions of a trained run are."""
    if event.outcome is Outcome.TRAINED:
        rows.update(RUNS, (event.run_id,), pool=event.pool, predictions_digests=list(event.predictions_digests))


def when_scored(rows: Rows, event: ScoreComputed | RunRescored, recorded: RecordedEvent) -> None:
    """Of a submission, the newest score by a version counts. By the challenge's own, it makes the ensemble due."""
    key = (event.submission_id, event.problem_version)
    rows.put(SCORED, key, run_id=event.run_id, position=recorded.position)
    if rows.the(CHALLENGES, (event.challenge_id,))["problem_version"] == event.problem_version:
        rows.update(CHALLENGES, (event.challenge_id,), scored_at_position=recorded.position)


def when_rescoring_failed(rows: Rows, event: RescoringFailed, _recorded: RecordedEvent) -> None:
    """It is not tried again."""
    rows.insert(NOT_RESCORED, run_id=event.run_id, problem_version=event.problem_version)


def when_ensemble_computed(rows: Rows, event: EnsembleComputed, recorded: RecordedEvent) -> None:
    """What the next one begins from."""
    _looked(rows, event, recorded, ensemble=event.model_dump_json())


def when_ensemble_failed(rows: Rows, event: EnsembleFailed, recorded: RecordedEvent) -> None:
    """Looked at in vain; the next score may be another matter."""
    _looked(rows, event, recorded)


def _run(rows: Rows, run_id: UUID, number: int, asked: SubmissionUploaded | RunRequested) -> None:
    rows.insert(
        RUNS,
        run_id=run_id,
        submission_id=asked.submission_id,
        number=number,
        problem_version=asked.problem_version,
        output_limit_bytes=asked.limits.output_limit_bytes,
    )


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
    ProblemVersionAdopted: when_problem_version_adopted,
    SubmissionUploaded: when_submission_uploaded,
    RunRequested: when_run_requested,
    TrainingFinished: when_training_finished,
    ScoreComputed: when_scored,
    RunRescored: when_scored,
    RescoringFailed: when_rescoring_failed,
    EnsembleComputed: when_ensemble_computed,
    EnsembleFailed: when_ensemble_failed,
}

READ_MODEL = ReadModel("scorer", Path(__file__).parent / "migrations", HANDLERS)
