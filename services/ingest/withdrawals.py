"""Withdrawing a submission: its team takes it back before its training is over.

It is an event of the run's own stream, appended at the version that was looked at: so of a withdrawal and the end of the
training one is first, and the other is refused. What a trainer does until it hears of it comes too late to count.
"""

from collections.abc import Sequence
from http import HTTPStatus
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.events import Event, Metadata, SubmissionUploaded, SubmissionWithdrawn, TrainingFinished, TrainingStarted
from shared.http import Problem
from shared.ledger import ConflictError, NewEvent, append, known_events, read_stream
from shared.runs import run_has_failed, standing_runs

#: Trainers report while one withdraws: each report moves the stream on. More than these in a row is a defect.
MAX_CONFLICTS = 20


def withdraw(engine: Engine, submission_id: UUID, user_id: UUID, team_id: UUID, *, is_administrator: bool) -> int:
    """Withdraw it; returns the position. A second withdrawal is the first one.

    Raises `Problem`: 404 for an unknown submission, 403 for another team's, 409 once its training is over.
    """
    for _ in range(MAX_CONFLICTS):
        try:
            with engine.begin() as connection:
                stream = [event for _, event in known_events(read_stream(connection, f"submission-{submission_id}"))]
                submission = _own_submission(stream, team_id, is_administrator=is_administrator)
                *earlier, newest = standing_runs(stream)
                if not is_administrator and not all(run_has_failed(connection, run_id) for run_id in earlier):
                    # It stands on boards by an earlier run; training it again was the organiser's wish.
                    raise _over(submission)
                return _withdraw(connection, submission, newest, user_id)
        except ConflictError:
            continue
    raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "The submission changes all the time. Try again in a moment.")


def _own_submission(stream: Sequence[Event], team_id: UUID, *, is_administrator: bool) -> SubmissionUploaded:
    submission = next((event for event in stream if isinstance(event, SubmissionUploaded)), None)
    if submission is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-submission", "There is no submission of this id.")
    if submission.team_id != team_id and not is_administrator:
        raise Problem(HTTPStatus.FORBIDDEN, "not-yours", "Only the submission's team and administrators may withdraw it.")
    return submission


def _withdraw(connection: Connection, submission: SubmissionUploaded, run_id: UUID, user_id: UUID) -> int:
    stream = read_stream(connection, f"run-{run_id}")
    known = list(known_events(stream))
    for recorded, event in known:
        if isinstance(event, SubmissionWithdrawn):
            return recorded.position
    events = [event for _, event in known]
    if any(isinstance(event, TrainingFinished) for event in events):
        raise _over(submission)
    withdrawn = SubmissionWithdrawn(
        run_id=run_id,
        submission_id=submission.submission_id,
        challenge_id=submission.challenge_id,
        user_id=user_id,
        pool=submission.pool,
        had_begun=any(isinstance(event, TrainingStarted) for event in events),
    )
    metadata = Metadata(correlation_id=str(submission.submission_id), actor_id=user_id)
    return append(connection, [NewEvent(withdrawn, metadata, len(stream))]).position


def _over(submission: SubmissionUploaded) -> Problem:
    return Problem(HTTPStatus.CONFLICT, "training-over", f"{submission.name} can't be withdrawn: its training is over.")
