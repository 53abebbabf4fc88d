"""How each event changes the read models. Handlers write rows on the connection they get, and nothing else."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from services.leaderboard.log_budget import spend_log_budget
from shared.database import sql
from shared.events import (
    ChallengeClosed,
    ChallengeCreated,
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
from shared.ledger import Handlers, ReadModel


def when_team_created(connection: Connection, event: TeamCreated, _recorded: RecordedEvent) -> None:
    """A team and its members."""
    sealed_for = event.members[0] if event.name_is_sealed else None
    _run(
        connection,
        "INSERT INTO teams VALUES (:team_id, :name, :sealed_for)",
        team_id=event.team_id,
        name=event.name,
        sealed_for=sealed_for,
    )
    for user_id in event.members:
        _run(connection, "INSERT INTO members VALUES (:team_id, :user_id)", team_id=event.team_id, user_id=user_id)


def when_problem_published(connection: Connection, event: ProblemPublished, _recorded: RecordedEvent) -> None:
    """A version that is being prepared."""
    _run(
        connection,
        "INSERT INTO problems (problem_id, version, organiser_id, kit_digest, state)"
        " VALUES (:problem_id, :version, :organiser_id, :kit_digest, 'preparing')",
        problem_id=event.problem_id,
        version=event.version,
        organiser_id=event.organiser_id,
        kit_digest=event.kit_digest,
    )


def when_problem_prepared(connection: Connection, event: ProblemPrepared, _recorded: RecordedEvent) -> None:
    """A version that challenges may use."""
    _run(
        connection,
        "UPDATE problems SET state = 'prepared', prepared = :prepared WHERE problem_id = :problem_id AND version = :version",
        prepared=event.model_dump_json(),
        problem_id=event.problem_id,
        version=event.version,
    )


def when_problem_preparation_failed(connection: Connection, event: ProblemPreparationFailed, _recorded: RecordedEvent) -> None:
    """A version that can't be used, and why."""
    _run(
        connection,
        "UPDATE problems SET state = 'failed', outcome = :outcome, reason = :reason, detail_digest = :detail_digest"
        " WHERE problem_id = :problem_id AND version = :version",
        outcome=event.outcome,
        reason=event.reason,
        detail_digest=event.detail_digest,
        problem_id=event.problem_id,
        version=event.version,
    )


def when_challenge_created(connection: Connection, event: ChallengeCreated, recorded: RecordedEvent) -> None:
    """A challenge and its rules."""
    _run(
        connection,
        "INSERT INTO challenges"
        " (challenge_id, title, problem_id, problem_version, opens_at, code_opens_at, closes_at, limits, log_policy,"
        " team_log_bytes, created_at_position) VALUES (:challenge_id, :title, :problem_id, :problem_version, :opens_at, :code_opens_at,"
        " :closes_at, :limits, :log_policy, :team_log_bytes, :position)",
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
        position=recorded.position,
    )


def when_challenge_closed(connection: Connection, event: ChallengeClosed, recorded: RecordedEvent) -> None:
    """A challenge that is over; where that stands, the ledger's hash seals all that came before."""
    _run(
        connection,
        "UPDATE challenges SET closed_at_position = :position WHERE challenge_id = :challenge_id",
        challenge_id=event.challenge_id,
        position=recorded.position,
    )


def when_join_approved(connection: Connection, event: JoinApproved, _recorded: RecordedEvent) -> None:
    """A team that takes part."""
    join = {"challenge_id": event.challenge_id, "team_id": event.team_id}
    _run(connection, "INSERT INTO joins VALUES (:challenge_id, :team_id)", **join)
    _run(connection, "UPDATE challenges SET n_teams = n_teams + 1 WHERE challenge_id = :challenge_id", **join)


def when_submission_uploaded(connection: Connection, event: SubmissionUploaded, recorded: RecordedEvent) -> None:
    """A submission that waits for its turn."""
    _run(
        connection,
        "INSERT INTO submissions"
        " (submission_id, challenge_id, team_id, name, files, submitted_at, state, pool, changed_at_position)"
        " VALUES (:submission_id, :challenge_id, :team_id, :name, :files, :submitted_at, 'uploaded', :pool, :position)",
        submission_id=event.submission_id,
        challenge_id=event.challenge_id,
        team_id=event.team_id,
        name=event.name,
        files=list(event.files),
        submitted_at=recorded.recorded_at,
        pool=event.pool,
        position=recorded.position,
    )
    _run(
        connection,
        "UPDATE challenges SET n_submissions = n_submissions + 1 WHERE challenge_id = :challenge_id",
        challenge_id=event.challenge_id,
    )


def when_training_requested(connection: Connection, event: TrainingRequested, recorded: RecordedEvent) -> None:
    """A submission in the queue of its pool. Requested again, it stays what it was: a state never goes backwards."""
    state = {"state": "queued"} if event.attempt == 1 else {}
    _change(connection, event.submission_id, recorded, run_id=event.run_id, n_folds=event.n_folds, **state)


def when_training_started(connection: Connection, event: TrainingStarted, recorded: RecordedEvent) -> None:
    """A submission on a trainer."""
    _change(connection, event.submission_id, recorded, state="training")


def when_fold_trained(connection: Connection, event: FoldTrained, recorded: RecordedEvent) -> None:
    """One fold more."""
    _run(
        connection,
        "INSERT INTO folds VALUES"
        " (:run_id, :fold, :train_time_s, :valid_time_s, :test_time_s, :peak_memory_bytes, :log_digest, :shown_log_bytes)",
        run_id=event.run_id,
        fold=event.fold,
        log_digest=event.log_digest,
        shown_log_bytes=spend_log_budget(connection, event.submission_id, event.log_bytes),
        **event.usage.model_dump(exclude={"training", "prediction"}),
    )
    _change(connection, event.submission_id, recorded)


def when_training_finished(connection: Connection, event: TrainingFinished, recorded: RecordedEvent) -> None:
    """Trained, or failed with what its team needs to know."""
    if event.outcome is Outcome.TRAINED:
        _change(connection, event.submission_id, recorded, state="trained")
        return
    if event.log_digest is not None and event.fold is not None:
        _run(
            connection,
            "INSERT INTO folds (run_id, fold, log_digest, shown_log_bytes)"
            " VALUES (:run_id, :fold, :log_digest, :shown_log_bytes) ON CONFLICT DO NOTHING",
            run_id=event.run_id,
            fold=event.fold,
            log_digest=event.log_digest,
            shown_log_bytes=spend_log_budget(connection, event.submission_id, event.log_bytes),
        )
    _change(
        connection,
        event.submission_id,
        recorded,
        state="withdrawn" if event.outcome is Outcome.WITHDRAWN else "failed",
        outcome=event.outcome.value,
        reason=event.reason,
        failed_fold=event.fold,
        traceback_digest=event.traceback_digest,
        finished_at=recorded.recorded_at,
    )


def when_submission_withdrawn(connection: Connection, event: SubmissionWithdrawn, recorded: RecordedEvent) -> None:
    """Taken back by its team."""
    _change(
        connection,
        event.submission_id,
        recorded,
        state="withdrawn",
        outcome=Outcome.WITHDRAWN.value,
        finished_at=recorded.recorded_at,
    )


def when_score_computed(connection: Connection, event: ScoreComputed, recorded: RecordedEvent) -> None:
    """On the boards, from this position on."""
    _run(
        connection,
        "INSERT INTO board_rows (submission_id, challenge_id, from_position) VALUES (:submission_id, :challenge_id, :position)",
        submission_id=event.submission_id,
        challenge_id=event.challenge_id,
        position=recorded.position,
    )
    _change(
        connection,
        event.submission_id,
        recorded,
        state="scored",
        outcome=Outcome.TRAINED.value,
        score=event.model_dump_json(),
        finished_at=recorded.recorded_at,
    )


def when_scoring_failed(connection: Connection, event: ScoringFailed, recorded: RecordedEvent) -> None:
    """Trained, but without a score: not the team's fault."""
    _change(
        connection,
        event.submission_id,
        recorded,
        state="failed",
        outcome=event.outcome,
        reason=event.reason,
        finished_at=recorded.recorded_at,
    )


def _change(connection: Connection, submission_id: object, recorded: RecordedEvent, **columns: Any) -> None:
    columns["changed_at_position"] = recorded.position
    assignments = ", ".join(f"{column} = :{column}" for column in columns)
    _run(
        connection,
        f"UPDATE submissions SET {assignments} WHERE submission_id = :submission_id",  # noqa: S608  (column names of ours)
        submission_id=submission_id,
        **columns,
    )


def _run(connection: Connection, statement: str, **parameters: Any) -> None:
    # PostgreSQL's texts hold no NUL, JSON's do: one in a reason must not stop every board.
    storable = {name: value.replace("\0", "\ufffd") if isinstance(value, str) else value for name, value in parameters.items()}
    connection.execute(sql(statement), storable)


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
    SubmissionWithdrawn: when_submission_withdrawn,
}

READ_MODEL = ReadModel("leaderboard", Path(__file__).parent / "migrations", HANDLERS)
