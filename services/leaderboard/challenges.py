"""Challenges and problems as readers see them."""

from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from shared.challenge_rules import rules_of
from shared.events import FoldLimits, LogPolicy, ProblemPrepared
from shared.http import Problem
from shared.visibility import Phase, phase_at

SELECT = (
    "SELECT c.*, p.prepared, p.kit_digest, p.organiser_id, e.hash AS closed_hash, e.recorded_at AS closed_at, clock_timestamp() AS read_at FROM challenges c"
    " JOIN problems p ON p.problem_id = c.problem_id AND p.version = c.problem_version"
    " LEFT JOIN ledger.events e ON e.position = c.closed_at_position"
)


@dataclass(frozen=True)
class Closing:
    """Where the ledger says that a challenge has closed. `hash`, in hexadecimal, is that row's: it seals the row and all before it."""

    position: int
    hash: str
    recorded_at: datetime


@dataclass(frozen=True)
class Challenge:
    """A challenge, with the problem that it runs."""

    challenge_id: str
    title: str
    problem: ProblemPrepared
    kit_digest: str
    #: Whose problem it is.
    organiser_id: UUID
    opens_at: datetime
    code_opens_at: datetime
    closes_at: datetime
    limits: FoldLimits
    log_policy: LogPolicy
    n_teams: int
    n_submissions: int
    created_at_position: int
    #: None until it is recorded, which may be a second after the closing time.
    closed: Closing | None
    #: By the ledger's clock when this was read: this host's may be ahead, and private scores must not be seen before their time.
    read_at: datetime

    @property
    def phase(self) -> Phase:
        """The phase when this was read."""
        return self.phase_at(self.read_at)

    def phase_at(self, moment: datetime) -> Phase:
        """The phase at a moment."""
        return phase_at(moment, self.opens_at, self.code_opens_at, self.closes_at)


def list_challenges(connection: Connection) -> list[Challenge]:
    """All challenges, those that close last first."""
    return [_challenge(row) for row in connection.execute(text(f"{SELECT} ORDER BY c.closes_at DESC, c.challenge_id"))]


def find_challenge(connection: Connection, challenge_id: str) -> Challenge:
    """A challenge. Raises a 404 `Problem` if there is none of this id."""
    row = connection.execute(text(f"{SELECT} WHERE c.challenge_id = :challenge_id"), {"challenge_id": challenge_id}).one_or_none()
    if row is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, "unknown-challenge", f"There is no challenge {challenge_id}. They are listed at /v1/challenges"
        )
    return _challenge(row)


def challenge_as_of(connection: Connection, challenge: Challenge, position: int) -> Challenge:
    """A challenge with the version of its problem that it ran at a ledger position; all else, its kit too, is as it is now."""
    rules = rules_of(connection, challenge.challenge_id, position)
    if rules is None or rules.problem_version == challenge.problem.version:
        return challenge
    problem = find_problem_version(connection, rules.problem_id, rules.problem_version)
    return replace(challenge, problem=problem)


def find_problem_version(connection: Connection, problem_id: str, version: int) -> ProblemPrepared:
    """A version of a problem that is known to be prepared."""
    statement = text("SELECT prepared FROM problems WHERE problem_id = :problem_id AND version = :version")
    found = connection.execute(statement, {"problem_id": problem_id, "version": version}).scalar_one()
    return ProblemPrepared.model_validate_json(found)


def has_joined(connection: Connection, challenge_id: str, team_ids: frozenset[UUID]) -> bool:
    """Whether one of these teams takes part."""
    statement = text(
        "SELECT EXISTS (SELECT FROM joins WHERE challenge_id = :challenge_id AND team_id = ANY(CAST(:team_ids AS uuid[])))"
    )
    return bool(
        connection.execute(statement, {"challenge_id": challenge_id, "team_ids": [str(each) for each in team_ids]}).scalar_one()
    )


@dataclass(frozen=True)
class ProblemVersion:
    """How the newest version of a problem stands."""

    problem_id: str
    version: int
    organiser_id: UUID
    state: str
    outcome: str | None
    reason: str | None
    detail_digest: str | None
    prepared: ProblemPrepared | None


def find_problem(connection: Connection, problem_id: str) -> ProblemVersion | None:
    """The newest version of a problem, or None."""
    row = connection.execute(
        text("SELECT * FROM problems WHERE problem_id = :problem_id ORDER BY version DESC LIMIT 1"),
        {"problem_id": problem_id},
    ).one_or_none()
    if row is None:
        return None
    prepared = ProblemPrepared.model_validate_json(row.prepared) if row.prepared else None
    return ProblemVersion(
        row.problem_id, row.version, row.organiser_id, row.state, row.outcome, row.reason, row.detail_digest, prepared
    )


def _challenge(row: Row[Any]) -> Challenge:
    return Challenge(
        challenge_id=row.challenge_id,
        title=row.title,
        problem=ProblemPrepared.model_validate_json(row.prepared),
        kit_digest=row.kit_digest,
        organiser_id=row.organiser_id,
        opens_at=row.opens_at,
        code_opens_at=row.code_opens_at,
        closes_at=row.closes_at,
        limits=FoldLimits.model_validate_json(row.limits),
        log_policy=LogPolicy(row.log_policy),
        n_teams=row.n_teams,
        n_submissions=row.n_submissions,
        created_at_position=row.created_at_position,
        closed=None if row.closed_hash is None else Closing(row.closed_at_position, bytes(row.closed_hash).hex(), row.closed_at),
        read_at=row.read_at,
    )
