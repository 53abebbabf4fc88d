"""The boards of what has no score: new submissions, and failed ones."""

from pydantic import AwareDatetime, BaseModel

from services.leaderboard.api.context import Context
from services.leaderboard.api.submissions import QueuePosition, queue_position
from services.leaderboard.challenges import find_challenge
from services.leaderboard.moments import moment_for
from services.leaderboard.submissions import Submission, submissions_in_states, submissions_in_states_at

WAITING_OR_RUNNING = frozenset({"uploaded", "queued", "training", "trained"})
FAILED = frozenset({"failed"})


class UnscoredRow(BaseModel):
    """A submission without a score. `outcome` is from the closed list, once it is known. `queue` is null where `at` is asked for."""

    team: str
    submission: str
    submission_id: str
    state: str
    outcome: str | None
    folds_done: int
    n_folds: int | None
    queue: QueuePosition | None
    submitted_at: AwareDatetime
    finished_at: AwareDatetime | None


class UnscoredPage(BaseModel):
    """Submissions without a score."""

    challenge: str
    rows: list[UnscoredRow]


def read_unscored(
    context: Context, challenge_id: str, states: frozenset[str], at: str | None, *, oldest_first: bool
) -> UnscoredPage:
    """The submissions of a challenge in these states, now or as they were then. Raises a `Problem` as `moment_for` does."""
    with context.engine.connect() as connection:
        moment = moment_for(connection, find_challenge(connection, challenge_id), at)
        if moment is None:
            found = submissions_in_states(connection, challenge_id, states)
        else:
            found = submissions_in_states_at(connection, challenge_id, states, moment.position)
    ordered = reversed(found) if oldest_first else found
    rows = [_row(each, queue_position(context, each) if moment is None else None) for each in ordered]
    return UnscoredPage(challenge=challenge_id, rows=rows)


def _row(found: Submission, queue: QueuePosition | None) -> UnscoredRow:
    return UnscoredRow(
        team=found.team,
        submission=found.name,
        submission_id=str(found.submission_id),
        state=found.state,
        outcome=found.outcome,
        folds_done=found.folds_done,
        n_folds=found.n_folds,
        queue=queue,
        submitted_at=found.submitted_at,
        finished_at=found.finished_at,
    )
