"""A challenge's step to another version of its problem: how far it is, and whose place on the public competition board it moves.

What the version would do is worked out from the scores that wait for it; what an adopted one did, from the boards right before and after.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from uuid import UUID

from sqlalchemy import Connection, text

from services.leaderboard.boards import Board, Row, rank
from services.leaderboard.challenges import Challenge, challenge_as_of, find_problem_version
from services.leaderboard.submissions import Submission, find_submissions, submissions_on_boards
from shared.events import (
    Event,
    ProblemPrepared,
    ProblemVersionAdopted,
    RescoringComputed,
    RescoringConfirmed,
    RescoringFailed,
    ScoreComputed,
)
from shared.http import Problem
from shared.ledger import known_events, read_of_type, read_stream

_PENDING = text(
    "SELECT submission_id, score FROM pending_scores WHERE challenge_id = :challenge_id AND problem_version = :problem_version"
)
# Where alone: a score is long.
_SCORED_SINCE = text(
    "SELECT stream FROM ledger.events WHERE stream = ANY(:streams) AND type = 'ScoreComputed' AND position > :position"
)
TO_RETRAIN = "its version of the problem has other data or folds: it has to be trained again"
SCORED_SINCE = "it was scored after the dry run: ask for another one"
NOT_YET = "not scored yet"


@dataclass(frozen=True)
class Move:
    """A team whose place differs, with the score by the official metric of either version; None where it has no place."""

    team: str
    before: int | None
    after: int | None
    score_before: float | None
    score_after: float | None


@dataclass(frozen=True)
class Missing:
    """A submission on the boards that has no score by the version, and why."""

    submission: Submission
    why: str


@dataclass(frozen=True)
class Rescoring:
    """How a step stands. `moves` and `missing` are of what is scored so far; the counts are the last dry run's, None before it is done."""

    problem: ProblemPrepared
    problem_before: ProblemPrepared
    state: str
    n_scored: int
    n_submissions: int
    n_failed: int | None
    n_to_retrain: int | None
    adopted_at_position: int | None
    moves: list[Move]
    missing: list[Missing]


def find_rescoring(connection: Connection, challenge: Challenge, version: int) -> Rescoring:
    """A step to a version. Raises `Problem`: 404 if nobody has asked for it, 409 if the challenge has gone past it."""
    facts = [event for _, event in known_events(read_stream(connection, f"rescoring-{challenge.challenge_id}-{version}"))]
    if not facts:
        words = f"Nobody has asked for it: palio challenge rescore {challenge.challenge_id} --version {version}"
        detail = words if version > challenge.problem.version else f"There was no step to version {version}."
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-rescoring", detail)
    adopted_at = _adopted_at(connection, challenge.challenge_id, version)
    if adopted_at is None and version < challenge.problem.version:
        detail = f"The challenge runs version {challenge.problem.version}: what was worked out for version {version} is gone."
        raise Problem(HTTPStatus.CONFLICT, "older-version", detail)
    if adopted_at is None:
        earlier, standing = challenge, submissions_on_boards(connection, challenge.challenge_id)
        after = _with_pending(connection, challenge.challenge_id, version, standing)
    else:
        earlier = challenge_as_of(connection, challenge, adopted_at - 1)
        standing = submissions_on_boards(connection, challenge.challenge_id, adopted_at - 1)
        after = submissions_on_boards(connection, challenge.challenge_id, adopted_at)
    problem = find_problem_version(connection, earlier.problem.problem_id, version)
    computed = next((each for each in reversed(facts) if isinstance(each, RescoringComputed)), None)
    scored = {each.submission_id for each in after}
    lacking = [each for each in standing if each.submission_id not in scored]
    return Rescoring(
        problem=problem,
        problem_before=earlier.problem,
        state="adopted" if adopted_at is not None else _state(facts),
        n_scored=len(standing) - len(lacking),
        n_submissions=len(standing),
        n_failed=computed.n_failed if computed else None,
        n_to_retrain=computed.n_to_retrain if computed else None,
        adopted_at_position=adopted_at,
        moves=_moves(standing, earlier.problem, after, problem),
        missing=_missing(connection, lacking, version, computed),
    )


def _adopted_at(connection: Connection, challenge_id: str, version: int) -> int | None:
    for recorded, event in known_events(read_stream(connection, f"challenge-{challenge_id}")):
        if isinstance(event, ProblemVersionAdopted) and event.problem_version == version:
            return recorded.position
    return None


def _state(facts: Sequence[Event]) -> str:
    if isinstance(facts[-1], RescoringConfirmed):
        return "confirmed"
    return "computed" if isinstance(facts[-1], RescoringComputed) else "requested"


def _with_pending(connection: Connection, challenge_id: str, version: int, standing: Sequence[Submission]) -> list[Submission]:
    """Those that have a score by the version, with it: also what is on no board now, since its only score is that."""
    rows = connection.execute(_PENDING, {"challenge_id": challenge_id, "problem_version": version})
    pending: dict[UUID, str] = {row.submission_id: row.score for row in rows}
    others = find_submissions(connection, pending.keys() - {each.submission_id for each in standing}).values()
    return [
        replace(each, score=ScoreComputed.model_validate_json(pending[each.submission_id]))
        for each in (*standing, *others)
        if each.submission_id in pending
    ]


def _moves(
    standing: Sequence[Submission], before: ProblemPrepared, scored: Sequence[Submission], after: ProblemPrepared
) -> list[Move]:
    places, new_places = _places(standing, before), _places(scored, after)
    names = {row.submission.team_id: row.submission.team for row in (*places.values(), *new_places.values())}
    moves = [
        _move(names[team_id], places.get(team_id), before, new_places.get(team_id), after)
        for team_id in names
        if _rank(places.get(team_id)) != _rank(new_places.get(team_id))
    ]
    return sorted(moves, key=lambda each: (each.after is None, each.after, each.before))


def _places(submissions: Sequence[Submission], problem: ProblemPrepared) -> dict[UUID, Row]:
    return {row.submission.team_id: row for row in rank(submissions, problem.metrics, Board.COMPETITION, problem.score_kind)}


def _move(team: str, one: Row | None, before: ProblemPrepared, other: Row | None, after: ProblemPrepared) -> Move:
    return Move(
        team=team,
        before=_rank(one),
        after=_rank(other),
        score_before=one.scores.get(before.metrics[0].name) if one else None,
        score_after=other.scores.get(after.metrics[0].name) if other else None,
    )


def _rank(row: Row | None) -> int | None:
    return row.rank if row else None


def _missing(
    connection: Connection, lacking: Sequence[Submission], version: int, computed: RescoringComputed | None
) -> list[Missing]:
    """Why each has none. While the dry run goes on, all lack one, and whoever waits for it asks again and again: two questions for all."""
    streams = [f"score-{each.run_id}" for each in lacking]
    failed = {
        event.stream: event.reason
        for _, event in known_events(read_of_type(connection, streams, RescoringFailed))
        if isinstance(event, RescoringFailed) and event.problem_version == version
    }
    values = {"streams": streams, "position": computed.up_to_position if computed else 0}
    since = set(connection.execute(_SCORED_SINCE, values).scalars()) if computed else set()
    otherwise = TO_RETRAIN if computed else NOT_YET
    return [
        Missing(each, failed.get(stream, SCORED_SINCE if stream in since else otherwise))
        for each, stream in zip(lacking, streams, strict=True)
    ]
