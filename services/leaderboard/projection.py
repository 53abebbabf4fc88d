"""How each event changes the read models. Handlers write the rows they are given, and nothing else."""

from pathlib import Path
from typing import Any
from uuid import UUID

from services.leaderboard.log_budget import spend_log_budget
from services.leaderboard.tables import (
    BOARD_ROWS,
    CHALLENGES,
    ENSEMBLES,
    FOLDS,
    JOINS,
    KIT_FAULTS,
    MEMBERS,
    PROBLEMS,
    SUBMISSION_STATES,
    SUBMISSIONS,
    TEAMS,
)
from shared.events import (
    ChallengeClosed,
    ChallengeCreated,
    EnsembleComputed,
    EnsembleFailed,
    FoldTrained,
    JoinApproved,
    Outcome,
    ProblemPreparationFailed,
    ProblemPrepared,
    ProblemPublished,
    RecordedEvent,
    ScoreComputed,
    ScoringFailed,
    SubmissionUploaded,
    SubmissionWithdrawn,
    TeamCreated,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)
from shared.ledger import Handlers, ReadModel, Rows


def when_team_created(rows: Rows, event: TeamCreated, _recorded: RecordedEvent) -> None:
    """A team and its members."""
    rows.insert(TEAMS, team_id=event.team_id, name=event.name, sealed_for=event.members[0] if event.name_is_sealed else None)
    for user_id in event.members:
        rows.insert(MEMBERS, team_id=event.team_id, user_id=user_id)


def when_problem_published(rows: Rows, event: ProblemPublished, _recorded: RecordedEvent) -> None:
    """A version that is being prepared."""
    rows.insert(
        PROBLEMS,
        problem_id=event.problem_id,
        version=event.version,
        organiser_id=event.organiser_id,
        kit_digest=event.kit_digest,
        state="preparing",
    )


def when_problem_prepared(rows: Rows, event: ProblemPrepared, _recorded: RecordedEvent) -> None:
    """A version that challenges may use."""
    rows.update(PROBLEMS, (event.problem_id, event.version), state="prepared", prepared=event.model_dump_json())


def when_problem_preparation_failed(rows: Rows, event: ProblemPreparationFailed, _recorded: RecordedEvent) -> None:
    """A version that can't be used, and why."""
    rows.update(
        PROBLEMS,
        (event.problem_id, event.version),
        state="failed",
        outcome=event.outcome,
        reason=event.reason,
        detail_digest=event.detail_digest,
    )


def when_challenge_created(rows: Rows, event: ChallengeCreated, recorded: RecordedEvent) -> None:
    """A challenge and its rules."""
    rows.insert(
        CHALLENGES,
        challenge_id=event.challenge_id,
        title=event.title,
        problem_id=event.problem_id,
        problem_version=event.problem_version,
        opens_at=event.opens_at,
        code_opens_at=event.code_opens_at,
        closes_at=event.closes_at,
        limits=event.limits.model_dump_json(),
        log_policy=event.log_policy,
        team_log_bytes=event.team_log_bytes,
        created_at_position=recorded.position,
    )


def when_challenge_closed(rows: Rows, event: ChallengeClosed, recorded: RecordedEvent) -> None:
    """A challenge that is over; where that stands, the ledger's hash seals all that came before."""
    rows.update(CHALLENGES, (event.challenge_id,), closed_at_position=recorded.position)


def when_join_approved(rows: Rows, event: JoinApproved, _recorded: RecordedEvent) -> None:
    """A team that takes part."""
    rows.insert(JOINS, challenge_id=event.challenge_id, team_id=event.team_id)
    _count(rows, event.challenge_id, "n_teams")


def when_submission_uploaded(rows: Rows, event: SubmissionUploaded, recorded: RecordedEvent) -> None:
    """A submission that waits for its turn."""
    rows.insert(
        SUBMISSIONS,
        submission_id=event.submission_id,
        challenge_id=event.challenge_id,
        team_id=event.team_id,
        name=event.name,
        files=list(event.files),
        submitted_at=recorded.recorded_at,
        state="uploaded",
        pool=event.pool,
        changed_at_position=recorded.position,
    )
    _note_state(rows, event.submission_id, recorded, state="uploaded")
    _count(rows, event.challenge_id, "n_submissions")


def when_training_requested(rows: Rows, event: TrainingRequested, recorded: RecordedEvent) -> None:
    """A submission in the queue of its pool. Requested again, it stays what it was: a state never goes backwards."""
    state = {"state": "queued"} if event.attempt == 1 else {}
    _change(rows, event.submission_id, recorded, run_id=event.run_id, n_folds=event.n_folds, **state)


def when_training_started(rows: Rows, event: TrainingStarted, recorded: RecordedEvent) -> None:
    """A submission on a trainer."""
    _change(rows, event.submission_id, recorded, state="training")


def when_fold_trained(rows: Rows, event: FoldTrained, recorded: RecordedEvent) -> None:
    """One fold more."""
    rows.insert(
        FOLDS,
        run_id=event.run_id,
        fold=event.fold,
        log_digest=event.log_digest,
        shown_log_bytes=spend_log_budget(rows, event.submission_id, event.log_bytes),
        **event.usage.model_dump(exclude={"training", "prediction"}),
    )
    _change(rows, event.submission_id, recorded)


def when_training_finished(rows: Rows, event: TrainingFinished, recorded: RecordedEvent) -> None:
    """Trained, or failed with what its team needs to know."""
    if event.outcome is Outcome.TRAINED:
        _change(rows, event.submission_id, recorded, state="trained")
        return
    if event.log_digest is not None and event.fold is not None:
        shown_log_bytes = spend_log_budget(rows, event.submission_id, event.log_bytes)
        if rows.get(FOLDS, (event.run_id, event.fold)) is None:
            rows.insert(FOLDS, run_id=event.run_id, fold=event.fold, log_digest=event.log_digest, shown_log_bytes=shown_log_bytes)
    _change(
        rows,
        event.submission_id,
        recorded,
        state="withdrawn" if event.outcome is Outcome.WITHDRAWN else "failed",
        outcome=event.outcome.value,
        reason=event.reason,
        failed_fold=event.fold,
        traceback_digest=event.traceback_digest,
        finished_at=recorded.recorded_at,
    )


def when_submission_withdrawn(rows: Rows, event: SubmissionWithdrawn, recorded: RecordedEvent) -> None:
    """Taken back by its team."""
    _change(
        rows,
        event.submission_id,
        recorded,
        state="withdrawn",
        outcome=Outcome.WITHDRAWN.value,
        finished_at=recorded.recorded_at,
    )


def when_score_computed(rows: Rows, event: ScoreComputed, recorded: RecordedEvent) -> None:
    """On the boards, from this position on."""
    rows.insert(BOARD_ROWS, submission_id=event.submission_id, challenge_id=event.challenge_id, from_position=recorded.position)
    _change(
        rows,
        event.submission_id,
        recorded,
        state="scored",
        outcome=Outcome.TRAINED.value,
        # What failed stands in a table of its own.
        score=event.model_dump_json(exclude={"detail_digest"}),
        finished_at=recorded.recorded_at,
    )
    if event.detail_digest is not None:
        _note_fault(rows, event, recorded, "metric", "metrics gave no number", submission_id=event.submission_id)


def when_ensemble_computed(rows: Rows, event: EnsembleComputed, recorded: RecordedEvent) -> None:
    """The ensemble from this position on."""
    rows.insert(ENSEMBLES, challenge_id=event.challenge_id, from_position=recorded.position, ensemble=event.model_dump_json())
    if event.detail_digest is not None:
        _note_fault(rows, event, recorded, "ensemble", "metrics gave no number")


def when_ensemble_failed(rows: Rows, event: EnsembleFailed, recorded: RecordedEvent) -> None:
    """The ensemble before stands; the organiser is told."""
    _note_fault(rows, event, recorded, "ensemble", event.reason)


def when_scoring_failed(rows: Rows, event: ScoringFailed, recorded: RecordedEvent) -> None:
    """Trained, but without a score: not the team's fault."""
    _change(
        rows,
        event.submission_id,
        recorded,
        state="failed",
        outcome=event.outcome,
        reason=event.reason,
        finished_at=recorded.recorded_at,
    )
    if event.outcome == "kit_error":
        _note_fault(rows, event, recorded, "scoring", event.reason, submission_id=event.submission_id)


def _note_fault(
    rows: Rows,
    event: ScoreComputed | ScoringFailed | EnsembleComputed | EnsembleFailed,
    recorded: RecordedEvent,
    kind: str,
    reason: str,
    submission_id: UUID | None = None,
) -> None:
    rows.insert(
        KIT_FAULTS,
        position=recorded.position,
        challenge_id=event.challenge_id,
        recorded_at=recorded.recorded_at,
        kind=kind,
        submission_id=submission_id,
        reason=reason,
        detail_digest=event.detail_digest,
    )


def _change(rows: Rows, submission_id: UUID, recorded: RecordedEvent, **columns: Any) -> None:
    rows.update(SUBMISSIONS, (submission_id,), changed_at_position=recorded.position, **columns)
    if "state" in columns:
        _note_state(rows, submission_id, recorded, state=columns["state"], outcome=columns.get("outcome"))


def _note_state(rows: Rows, submission_id: UUID, recorded: RecordedEvent, *, state: str, outcome: str | None = None) -> None:
    """For who asks how it stood then."""
    rows.insert(SUBMISSION_STATES, submission_id=submission_id, from_position=recorded.position, state=state, outcome=outcome)


def _count(rows: Rows, challenge_id: str, column: str) -> None:
    rows.update(CHALLENGES, (challenge_id,), **{column: rows.the(CHALLENGES, (challenge_id,))[column] + 1})


HANDLERS: Handlers = {
    TeamCreated: when_team_created,
    ProblemPublished: when_problem_published,
    ProblemPrepared: when_problem_prepared,
    ProblemPreparationFailed: when_problem_preparation_failed,
    ChallengeCreated: when_challenge_created,
    ChallengeClosed: when_challenge_closed,
    JoinApproved: when_join_approved,
    SubmissionUploaded: when_submission_uploaded,
    TrainingRequested: when_training_requested,
    TrainingStarted: when_training_started,
    FoldTrained: when_fold_trained,
    TrainingFinished: when_training_finished,
    ScoreComputed: when_score_computed,
    ScoringFailed: when_scoring_failed,
    EnsembleComputed: when_ensemble_computed,
    EnsembleFailed: when_ensemble_failed,
    SubmissionWithdrawn: when_submission_withdrawn,
}

READ_MODEL = ReadModel("leaderboard", Path(__file__).parent / "migrations", HANDLERS)
