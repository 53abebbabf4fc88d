"""How each event changes the read models. Handlers write the rows they are given, and nothing else."""

from pathlib import Path
from typing import Any
from uuid import UUID

from services.leaderboard.log_budget import spend_log_budget
from services.leaderboard.tables import (
    BOARD_ROWS,
    CHALLENGES,
    CREDITS,
    ENSEMBLES,
    FOLDS,
    JOINS,
    KIT_FAULTS,
    MEMBERS,
    PENDING_SCORES,
    PROBLEMS,
    REQUESTED_RUNS,
    SUBMISSION_STATES,
    SUBMISSIONS,
    TEAMS,
)
from shared.database import sql
from shared.events import (
    ChallengeClosed,
    ChallengeCreated,
    CreditsGiven,
    EnsembleComputed,
    EnsembleFailed,
    FoldTrained,
    JoinApproved,
    Outcome,
    ProblemPreparationFailed,
    ProblemPrepared,
    ProblemPublished,
    ProblemVersionAdopted,
    RecordedEvent,
    RescoringFailed,
    RunEvent,
    RunReproduced,
    RunRequested,
    RunRescored,
    ScoreComputed,
    ScoreEvent,
    ScoringFailed,
    ScoringFailure,
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


def when_run_requested(rows: Rows, event: RunRequested, recorded: RecordedEvent) -> None:
    """Another run. It is shown at once where there is nothing better to show, else once it is scored."""
    rows.insert(REQUESTED_RUNS, run_id=event.run_id, number=event.number, purpose=event.purpose)
    if event.purpose == "retrain" and rows.the(SUBMISSIONS, (event.submission_id,))["state"] == "failed":
        _show_run(rows, event.submission_id, recorded, run_id=event.run_id, run_number=event.number, state="uploaded")


def when_training_requested(rows: Rows, event: TrainingRequested, recorded: RecordedEvent) -> None:
    """A submission in the queue of its pool. Requested again, it stays what it was: a state never goes backwards."""
    state = {"state": "queued"} if event.attempt == 1 else {}
    _change(rows, event, recorded, run_id=event.run_id, n_folds=event.n_folds, **state)


def when_training_started(rows: Rows, event: TrainingStarted, recorded: RecordedEvent) -> None:
    """A submission on a trainer."""
    _change(rows, event, recorded, state="training")


def when_fold_trained(rows: Rows, event: FoldTrained, recorded: RecordedEvent) -> None:
    """One fold more. What a reproduction prints is not shown, and costs nobody anything."""
    run = rows.get(REQUESTED_RUNS, (event.run_id,))
    if run is not None and run["purpose"] == "reproduce":
        return
    rows.insert(
        FOLDS,
        run_id=event.run_id,
        fold=event.fold,
        log_digest=event.log_digest,
        shown_log_bytes=spend_log_budget(rows, event.submission_id, event.log_bytes),
        **event.usage.model_dump(exclude={"training", "prediction"}),
    )
    _change(rows, event, recorded)


def when_training_finished(rows: Rows, event: TrainingFinished, recorded: RecordedEvent) -> None:
    """Trained, or failed with what its team needs to know."""
    if not _is_shown(rows, event):
        return
    if event.outcome is Outcome.TRAINED:
        _change(rows, event, recorded, state="trained")
        return
    if event.log_digest is not None and event.fold is not None:
        shown_log_bytes = spend_log_budget(rows, event.submission_id, event.log_bytes)
        if rows.get(FOLDS, (event.run_id, event.fold)) is None:
            rows.insert(FOLDS, run_id=event.run_id, fold=event.fold, log_digest=event.log_digest, shown_log_bytes=shown_log_bytes)
    _change(
        rows,
        event,
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
        event,
        recorded,
        state="withdrawn",
        outcome=Outcome.WITHDRAWN.value,
        finished_at=recorded.recorded_at,
    )


def when_scored(rows: Rows, event: ScoreComputed | RunRescored, recorded: RecordedEvent) -> None:
    """On the boards, from this position on, if it is by the version of the problem that the challenge runs."""
    version = rows.the(CHALLENGES, (event.challenge_id,))["problem_version"]
    # What failed stands in a table of its own.
    score = event.model_dump_json(exclude={"detail_digest"})
    if event.problem_version == version:
        _put_on_boards(rows, event.submission_id, event.run_id, score, recorded, _stands_from(rows, event.submission_id))
    elif event.problem_version > version:
        key = (event.submission_id, event.problem_version)
        rows.put(PENDING_SCORES, key, challenge_id=event.challenge_id, run_id=event.run_id, score=score)
    # By an earlier version it counts no more: the scorer, which hears of it too, scores it by the challenge's.
    note_missing_numbers(rows, event, recorded)


def note_missing_numbers(rows: Rows, event: ScoreEvent, recorded: RecordedEvent) -> None:
    """That metrics failed is for the organiser to know. All that is to be done of a reproduction: no board shows it."""
    if event.detail_digest is not None:
        _note_fault(rows, event, recorded, "metric", "metrics gave no number", submission_id=event.submission_id)


def when_version_adopted(rows: Rows, event: ProblemVersionAdopted, recorded: RecordedEvent) -> None:
    """Every board shows scores by this version from here on; what has none by it leaves them."""
    key = {"challenge_id": event.challenge_id, "problem_version": event.problem_version}
    rows.update(CHALLENGES, (event.challenge_id,), problem_version=event.problem_version)
    pending = rows.execute(_PENDING, key, changes=()).all()
    # Asked for once: a question a submission would write what was changed before it each time.
    stands_from = {row.submission_id: row.from_position for row in rows.execute(_STANDING, key, changes=())}
    for submission_id in stands_from.keys() - {each.submission_id for each in pending}:
        _take_off_boards(rows, submission_id, stands_from[submission_id], recorded)
        rows.update(SUBMISSIONS, (submission_id,), score=None, changed_at_position=recorded.position)
    for each in pending:
        _put_on_boards(rows, each.submission_id, each.run_id, each.score, recorded, stands_from.get(each.submission_id))
    rows.execute(_FORGET_PENDING, key, changes=(PENDING_SCORES,))


_PENDING = sql(
    "SELECT submission_id, run_id, score FROM pending_scores"
    " WHERE challenge_id = :challenge_id AND problem_version = :problem_version ORDER BY submission_id"
)
_FORGET_PENDING = sql("DELETE FROM pending_scores WHERE challenge_id = :challenge_id AND problem_version <= :problem_version")
_STANDING = sql(
    "SELECT submission_id, from_position FROM board_rows WHERE challenge_id = :challenge_id AND to_position IS NULL"
    " ORDER BY submission_id"
)
_STANDS_FROM = sql("SELECT from_position FROM board_rows WHERE submission_id = :submission_id AND to_position IS NULL")


def _stands_from(rows: Rows, submission_id: UUID) -> int | None:
    """Since which position it stands on the boards; None if it does not."""
    if rows.the(SUBMISSIONS, (submission_id,))["state"] != "scored":
        return None
    found: int | None = rows.execute(_STANDS_FROM, {"submission_id": submission_id}, changes=()).scalar_one_or_none()
    return found


def _put_on_boards(
    rows: Rows, submission_id: UUID, run_id: UUID, score: str, recorded: RecordedEvent, stands_from: int | None
) -> None:
    """In place of what it shows there since `stands_from`."""
    submission = rows.the(SUBMISSIONS, (submission_id,))
    if stands_from is not None:
        _take_off_boards(rows, submission_id, stands_from, recorded)
    rows.insert(BOARD_ROWS, submission_id=submission_id, challenge_id=submission["challenge_id"], from_position=recorded.position)
    if submission["run_id"] != run_id:
        requested = rows.get(REQUESTED_RUNS, (run_id,))
        number = requested["number"] if requested else 1
        n_folds = len({each.fold for each in ScoreComputed.model_validate_json(score).folds})
        _show_run(rows, submission_id, recorded, run_id=run_id, run_number=number, n_folds=n_folds)
    values = {"outcome": Outcome.TRAINED.value, "score": score, "finished_at": recorded.recorded_at}
    _set(rows, submission_id, recorded, state="scored", **values)


def _take_off_boards(rows: Rows, submission_id: UUID, from_position: int, recorded: RecordedEvent) -> None:
    submission = rows.the(SUBMISSIONS, (submission_id,))
    then = {name: submission[name] for name in ("run_id", "run_number", "score")}
    rows.update(BOARD_ROWS, (submission_id, from_position), to_position=recorded.position, **then)


def when_ensemble_computed(rows: Rows, event: EnsembleComputed, recorded: RecordedEvent) -> None:
    """The ensemble from this position on."""
    rows.insert(ENSEMBLES, challenge_id=event.challenge_id, from_position=recorded.position, ensemble=event.model_dump_json())
    if event.detail_digest is not None:
        _note_fault(rows, event, recorded, "ensemble", "metrics gave no number")


def when_credits_given(rows: Rows, event: CreditsGiven, recorded: RecordedEvent) -> None:
    """What a submission was taken from, from this position on."""
    about = {"challenge_id": event.challenge_id, "submission_id": event.submission_id}
    rows.insert(CREDITS, **about, from_position=recorded.position, credits=event.model_dump_json())


def when_ensemble_failed(rows: Rows, event: EnsembleFailed, recorded: RecordedEvent) -> None:
    """The ensemble before stands; the organiser is told."""
    _note_fault(rows, event, recorded, "ensemble", event.reason)


def when_scoring_failed(rows: Rows, event: ScoringFailed, recorded: RecordedEvent) -> None:
    """Trained, but without a score: not the team's fault."""
    _change(
        rows,
        event,
        recorded,
        state="failed",
        outcome=event.outcome,
        reason=event.reason,
        finished_at=recorded.recorded_at,
    )
    if event.outcome == "kit_error":
        _note_fault(rows, event, recorded, "scoring", event.reason, submission_id=event.submission_id)


def when_rescoring_failed(rows: Rows, event: RescoringFailed, recorded: RecordedEvent) -> None:
    """Its score by the version before stands. One that has none, since the challenge moved on while it was trained, has failed."""
    is_in_use = event.problem_version == rows.the(CHALLENGES, (event.challenge_id,))["problem_version"]
    if is_in_use and rows.the(SUBMISSIONS, (event.submission_id,))["state"] == "trained":
        values = {"outcome": event.outcome, "reason": event.reason, "finished_at": recorded.recorded_at}
        _change(rows, event, recorded, state="failed", **values)
    # Without words of the kit's code it is on other data, which is nobody's fault.
    if event.outcome == "kit_error" and event.detail_digest is not None:
        _note_fault(rows, event, recorded, "scoring", event.reason, submission_id=event.submission_id)


def _note_fault(
    rows: Rows,
    event: ScoreEvent | ScoringFailure | EnsembleComputed | EnsembleFailed,
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


def _is_shown(rows: Rows, event: RunEvent) -> bool:
    """Whether its submission shows this run. None is known before the first was requested."""
    submission = rows.get(SUBMISSIONS, (event.submission_id,))
    return submission is not None and submission["run_id"] in {None, event.run_id}


def _show_run(rows: Rows, submission_id: UUID, recorded: RecordedEvent, **columns: Any) -> None:
    """Another run in place of the one before, of which nothing stays."""
    of_the_run = dict.fromkeys(("n_folds", "outcome", "reason", "failed_fold", "traceback_digest", "finished_at"))
    _set(rows, submission_id, recorded, **{**of_the_run, **columns})


def _change(rows: Rows, event: RunEvent, recorded: RecordedEvent, **columns: Any) -> None:
    """Change a submission by what happened to the run that it shows; what happens to another one changes nothing."""
    if _is_shown(rows, event):
        _set(rows, event.submission_id, recorded, **columns)


def _set(rows: Rows, submission_id: UUID, recorded: RecordedEvent, **columns: Any) -> None:
    was_scored = rows.the(SUBMISSIONS, (submission_id,))["state"] == "scored"
    rows.update(SUBMISSIONS, (submission_id,), changed_at_position=recorded.position, **columns)
    if "state" in columns and not (was_scored and columns["state"] == "scored"):
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
    RunRequested: when_run_requested,
    ScoreComputed: when_scored,
    RunRescored: when_scored,
    RunReproduced: note_missing_numbers,
    RescoringFailed: when_rescoring_failed,
    ProblemVersionAdopted: when_version_adopted,
    ScoringFailed: when_scoring_failed,
    EnsembleComputed: when_ensemble_computed,
    EnsembleFailed: when_ensemble_failed,
    CreditsGiven: when_credits_given,
    SubmissionWithdrawn: when_submission_withdrawn,
}

READ_MODEL = ReadModel("leaderboard", Path(__file__).parent / "migrations", HANDLERS)
