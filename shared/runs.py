"""What the ledger says of a submission's run: its id, and whether it ended without a score. For services that must agree on both."""

from uuid import UUID

from sqlalchemy import Connection

from shared.events import Outcome, ScoringFailed, SubmissionWithdrawn, TrainingFinished
from shared.ledger import derived_id, known_events, read_stream


def run_id_of(submission_id: UUID, number: int = 1) -> UUID:
    """The id of a submission's run: derived, so that requesting its first training twice requests it once."""
    return derived_id(submission_id, "run", number)


def has_failed(connection: Connection, submission_id: UUID) -> bool:
    """Whether the submission's run ended without a score, or was withdrawn, and none will come."""
    run_id = run_id_of(submission_id)
    for stream in (f"run-{run_id}", f"score-{run_id}"):
        for _, event in known_events(read_stream(connection, stream)):
            if isinstance(event, TrainingFinished) and event.outcome is not Outcome.TRAINED:
                return True
            if isinstance(event, ScoringFailed | SubmissionWithdrawn):
                return True
    return False
