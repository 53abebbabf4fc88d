"""What the ledger says of a submission's runs: their ids, and whether one ended without a score. For services that must agree on it.

A submission's upload asks for its first run; each `RunRequested` in its stream for one more.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection

from shared.events import (
    Event,
    Outcome,
    RecordedEvent,
    RunRequested,
    ScoringFailed,
    SubmissionUploaded,
    SubmissionWithdrawn,
    TrainingFinished,
)
from shared.ledger import derived_id, known_events, read_stream

#: What asks for a run.
Asked = SubmissionUploaded | RunRequested


def run_id_of(submission_id: UUID, number: int = 1) -> UUID:
    """The id of a submission's run: derived, so that requesting its training twice requests it once."""
    return derived_id(submission_id, "run", number)


def find_asked(
    connection: Connection, submission_id: UUID, run_id: UUID
) -> tuple[RecordedEvent, Asked, SubmissionUploaded] | None:
    """What asked for a run, and the upload of its submission; None if nothing did."""
    upload: SubmissionUploaded | None = None
    for recorded, event in known_events(read_stream(connection, f"submission-{submission_id}")):
        if isinstance(event, SubmissionUploaded):
            upload = event
        if upload is not None and isinstance(event, Asked) and run_asked_for(event) == run_id:
            return recorded, event, upload
    return None


def is_reproduction(asked: Asked) -> bool:
    """Whether it asks for a run that is only compared, and stands nowhere."""
    return isinstance(asked, RunRequested) and asked.purpose == "reproduce"


def run_asked_for(asked: Asked) -> UUID:
    """The run that an event asks for."""
    return asked.run_id if isinstance(asked, RunRequested) else run_id_of(asked.submission_id)


def has_failed(connection: Connection, submission_id: UUID) -> bool:
    """Whether a submission has no score and none will come: each of its runs ended without one, or was withdrawn."""
    runs = standing_runs(event for _, event in known_events(read_stream(connection, f"submission-{submission_id}")))
    return bool(runs) and all(run_has_failed(connection, run_id) for run_id in runs)


def standing_runs(stream: Iterable[Event]) -> list[UUID]:
    """The runs of a submission's stream that may stand on boards, the newest last: all but reproductions."""
    asked = (event for event in stream if isinstance(event, Asked))
    return [run_asked_for(each) for each in asked if not is_reproduction(each)]


def run_has_failed(connection: Connection, run_id: UUID) -> bool:
    """Whether a run ended without a score, or was withdrawn."""
    for stream in (f"run-{run_id}", f"score-{run_id}"):
        for _, event in known_events(read_stream(connection, stream)):
            if isinstance(event, TrainingFinished) and event.outcome is not Outcome.TRAINED:
                return True
            if isinstance(event, ScoringFailed | SubmissionWithdrawn):
                return True
    return False
