"""Submissions as readers see them: state, progress, times, scores."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from services.leaderboard.figures import Figures
from services.leaderboard.teams import team_names
from shared.events import ScoreComputed

FINAL_STATES = frozenset({"scored", "failed", "withdrawn"})

#: What a board showed until it changed stands in `board_rows`, what it shows in the submission itself. A board of then shows other runs.
SELECT = (
    "SELECT s.*, coalesce(b.run_id, s.run_id) AS shown_run_id, coalesce(b.run_number, s.run_number) AS shown_run_number,"
    " coalesce(b.score, s.score) AS shown_score, count(f.train_time_s) AS folds_done, sum(f.train_time_s) AS train_time_s,"
    " sum(f.valid_time_s) AS valid_time_s, sum(f.test_time_s) AS test_time_s, max(f.peak_memory_bytes) AS peak_memory_bytes"
    " FROM submissions s LEFT JOIN board_rows b ON b.submission_id = s.submission_id AND b.from_position <= :position"
    " AND coalesce(b.to_position > :position, true) LEFT JOIN folds f ON f.run_id = coalesce(b.run_id, s.run_id)"
    " WHERE {} GROUP BY s.submission_id, b.submission_id, b.from_position"
    " ORDER BY s.submitted_at DESC, s.submission_id"
)
_LATEST = 2**63 - 1
#: The folds of then are counted in the ledger itself: the tables know a fold, but not since when.
STATES_THEN = (
    "SELECT s.submission_id, t.state, t.outcome, e.recorded_at, (SELECT count(*) FROM ledger.events f"
    " WHERE f.stream = 'run-' || s.run_id AND f.type = 'FoldTrained' AND f.position <= :position) AS folds_done"
    " FROM submissions s CROSS JOIN LATERAL (SELECT * FROM submission_states t WHERE t.submission_id = s.submission_id"
    " AND t.from_position <= :position ORDER BY t.from_position DESC LIMIT 1) t JOIN ledger.events e ON e.position = t.from_position"
    " WHERE s.challenge_id = :challenge_id AND t.state = ANY(:states)"
)


@dataclass(frozen=True)
class Submission:
    """A submission. Times are in seconds, summed over folds; None before the first fold is trained."""

    submission_id: UUID
    challenge_id: str
    team_id: UUID
    team: str
    name: str
    files: tuple[str, ...]
    submitted_at: datetime
    state: str
    #: The run that it shows, and its number among the submission's.
    run_id: UUID | None
    run_number: int
    pool: str
    n_folds: int | None
    folds_done: int
    outcome: str | None
    reason: str | None
    failed_fold: int | None
    traceback_digest: str | None
    finished_at: datetime | None
    score: ScoreComputed | None
    train_time_s: float | None
    valid_time_s: float | None
    test_time_s: float | None
    peak_memory_bytes: int | None
    changed_at_position: int

    @cached_property
    def figures(self) -> Figures:
        """What follows from its score. Raises `ValueError` if it has none."""
        if self.score is None:
            raise ValueError(f"submission {self.submission_id} stands on a board without a score")
        return Figures(self.score)


def find_submission(connection: Connection, submission_id: UUID) -> Submission | None:
    """A submission, or None."""
    found = _select(connection, "s.submission_id = :submission_id", submission_id=submission_id)
    return found[0] if found else None


def find_submissions(connection: Connection, submission_ids: Collection[UUID]) -> dict[UUID, Submission]:
    """Those of these submissions that there are, by id."""
    found = _select(connection, "s.submission_id = ANY(CAST(:ids AS uuid[]))", ids=[str(each) for each in submission_ids])
    return {each.submission_id: each for each in found}


def submissions_on_boards(connection: Connection, challenge_id: str, position: int | None = None) -> list[Submission]:
    """Every submission that stands on the boards of a challenge; now, or as of a ledger position."""
    condition = "s.challenge_id = :challenge_id AND b.submission_id IS NOT NULL"
    return _select(connection, condition, challenge_id=challenge_id, position=_LATEST if position is None else position)


def boards_changed_since(connection: Connection, challenge_id: str, position: int) -> tuple[set[UUID], list[Submission]]:
    """The submissions of a challenge that changed after a position, and those of them that stand on its boards now."""
    changed = text("SELECT submission_id FROM submissions WHERE challenge_id = :challenge_id AND changed_at_position > :position")
    ids = set(connection.execute(changed, {"challenge_id": challenge_id, "position": position}).scalars())
    if not ids:
        return ids, []
    condition = "s.submission_id = ANY(CAST(:ids AS uuid[])) AND b.submission_id IS NOT NULL"
    return ids, _select(connection, condition, ids=[str(each) for each in ids])


def read_tables(connection: Connection) -> tuple[int, int]:
    """Which tables are in use (others, once the read model was made anew), and up to which position the ledger is in them."""
    row = connection.execute(text("SELECT CAST('submissions'::regclass AS oid) AS tables, position FROM checkpoint")).one()
    return int(row.tables), int(row.position)


def submissions_in_states(connection: Connection, challenge_id: str, states: frozenset[str]) -> list[Submission]:
    """The submissions of a challenge in any of these states, newest first."""
    condition = "s.challenge_id = :challenge_id AND s.state = ANY(:states)"
    return _select(connection, condition, challenge_id=challenge_id, states=sorted(states))


def submissions_in_states_at(
    connection: Connection, challenge_id: str, states: frozenset[str], position: int
) -> list[Submission]:
    """The submissions of a challenge that were in any of these states at a ledger position, newest first, as they stood then.

    Of what came later they say nothing: outcome, folds and end are those of then; times and reasons are left out.
    """
    parameters = {"challenge_id": challenge_id, "states": sorted(states), "position": position}
    then = {row.submission_id: row for row in connection.execute(text(STATES_THEN), parameters)}
    return [_as_of(each, then[each.submission_id]) for each in find_submissions(connection, then).values()]


def submissions_of(connection: Connection, team_ids: frozenset[UUID], challenge_id: str | None) -> list[Submission]:
    """The submissions of teams, in one challenge or all, newest first."""
    condition = "s.team_id = ANY(CAST(:team_ids AS uuid[]))"
    if challenge_id is not None:
        condition += " AND s.challenge_id = :challenge_id"
    return _select(connection, condition, team_ids=[str(each) for each in team_ids], challenge_id=challenge_id)


def submission_times(connection: Connection, challenge_id: str, team: str | None, position: int | None = None) -> list[datetime]:
    """When each submission to a challenge was handed in, up to now or to a ledger position; `team`: that of this name alone."""
    statement = text(
        "SELECT s.team_id, s.submitted_at FROM submissions s WHERE s.challenge_id = :challenge_id AND (CAST(:position AS bigint) IS NULL"
        " OR EXISTS (SELECT FROM submission_states t WHERE t.submission_id = s.submission_id AND t.from_position <= :position))"
    )
    rows = connection.execute(statement, {"challenge_id": challenge_id, "position": position}).all()
    if team is None:
        return [row.submitted_at for row in rows]
    # Names are sealed: the database can't look for one.
    names = team_names(connection, {row.team_id for row in rows})
    return [row.submitted_at for row in rows if names[row.team_id] == team]


@dataclass(frozen=True)
class FoldLog:
    """The log of a fold, and how many bytes of it its team is shown."""

    fold: int
    digest: str
    shown_bytes: int


def fold_logs(connection: Connection, run_id: UUID) -> list[FoldLog]:
    """Each log of a run, in the folds' order."""
    statement = text(
        "SELECT fold, log_digest, shown_log_bytes FROM folds WHERE run_id = :run_id AND log_digest IS NOT NULL ORDER BY fold"
    )
    return [FoldLog(row.fold, row.log_digest, row.shown_log_bytes) for row in connection.execute(statement, {"run_id": run_id})]


def _select(connection: Connection, condition: str, **parameters: Any) -> list[Submission]:
    rows = connection.execute(text(SELECT.format(condition)), {"position": _LATEST, **parameters}).all()
    names = team_names(connection, {row.team_id for row in rows})
    return [_submission(row, names[row.team_id]) for row in rows]


def _as_of(found: Submission, then: Row[Any]) -> Submission:
    return dataclasses.replace(
        found,
        state=then.state,
        outcome=then.outcome,
        n_folds=None if then.state == "uploaded" else found.n_folds,
        folds_done=then.folds_done,
        finished_at=then.recorded_at if then.state in FINAL_STATES else None,
        reason=None,
        failed_fold=None,
        traceback_digest=None,
        score=None,
        train_time_s=None,
        valid_time_s=None,
        test_time_s=None,
        peak_memory_bytes=None,
    )


def _submission(row: Row[Any], team: str) -> Submission:
    return Submission(
        submission_id=row.submission_id,
        challenge_id=row.challenge_id,
        team_id=row.team_id,
        team=team,
        name=row.name,
        files=tuple(row.files),
        submitted_at=row.submitted_at,
        state=row.state,
        run_id=row.shown_run_id,
        run_number=row.shown_run_number,
        pool=row.pool,
        n_folds=row.n_folds,
        folds_done=row.folds_done,
        outcome=row.outcome,
        reason=row.reason,
        failed_fold=row.failed_fold,
        traceback_digest=row.traceback_digest,
        finished_at=row.finished_at,
        score=ScoreComputed.model_validate_json(row.shown_score) if row.shown_score else None,
        train_time_s=row.train_time_s,
        valid_time_s=row.valid_time_s,
        test_time_s=row.test_time_s,
        peak_memory_bytes=row.peak_memory_bytes,
        changed_at_position=row.changed_at_position,
    )
