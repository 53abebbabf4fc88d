"""Challenges: created by administrators, joined by teams."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from services.ingest.names import is_visible
from shared.challenge_rules import rules_of
from shared.events import ENSEMBLE_SIZE, TEAM_LOG_BYTES, ChallengeCreated, FoldLimits, JoinApproved, LogPolicy, Metadata
from shared.http import Problem
from shared.ledger import NewEvent, append, derived_id
from shared.prepared_problems import find_prepared, newest_prepared, problem_history
from shared.vault import Principal

SLUG = "^[a-z0-9][a-z0-9_-]{1,62}$"
DEFAULT_LENGTH = timedelta(days=30)
#: Times that every clock, zone and database can tell: one of the year 9999 is of the year 10000 to a reader east of it.
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    if not EARLIEST <= moment <= LATEST:
        message = f"a challenge is between {EARLIEST:%Y} and {LATEST:%Y}"
        raise ValueError(message)
    return moment.astimezone(UTC)


def _visible(title: str) -> str:
    if not is_visible(title) or not title.strip():
        message = "a title is one line of characters that show"
        raise ValueError(message)
    return title.strip()


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class ChallengeLimits(FoldLimits):
    """What one fold of a submission may use, within what a machine can be asked for."""

    memory_limit_bytes: int = Field(4 * 2**30, ge=128 * 2**20, le=2**44)
    output_limit_bytes: int = Field(512 * 2**20, ge=2**20, le=2**40)
    #: A log is read whole by whoever shows it, and what it can say of the data is bounded by its length.
    log_limit_bytes: int = Field(1 * 2**20, ge=2**10, le=64 * 2**20)
    max_processes: int = Field(128, ge=1, le=2**16)


class NewChallenge(BaseModel):
    """The rules of a challenge. Times default to: opens now, closes after 30 days, code opens when it closes."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=SLUG, description="Part of every address; never changes.")
    title: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_visible)]
    problem: str = Field(pattern=SLUG)
    problem_version: int | None = Field(None, ge=1, description="Default: the newest that is prepared.")
    opens_at: Moment | None = None
    code_opens_at: Moment | None = None
    closes_at: Moment | None = None
    pool: str = "default"
    limits: ChallengeLimits = Field(default_factory=lambda: ChallengeLimits.model_validate({}))
    log_policy: LogPolicy = Field(LogPolicy.FULL, description="What a team sees of what its submissions print.")
    team_log_bytes: int = Field(TEAM_LOG_BYTES, ge=0, le=2**40, description="Bytes of logs that one team is shown in all.")
    ensemble_size: int = Field(ENSEMBLE_SIZE, ge=1, le=1000, description="Members that the ensemble of one fold has at most.")
    ensemble_min_improvement: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="By how much one more member has to improve the official metric."
    )


def create_challenge(engine: Engine, new: NewChallenge, organiser_id: UUID, pools: list[str]) -> tuple[ChallengeCreated, int]:
    """Open a challenge; returns its rules and position.

    Raises `Problem`: 404 for an unknown problem, 409 for one that is not prepared or an id that is taken, 422 for bad rules.
    """
    if new.pool not in pools:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "unknown-pool", f"There is no pool {new.pool}; there are: {', '.join(pools)}"
        )
    try:
        with engine.begin() as connection:
            rules = _rules(connection, new, organiser_id)
            connection.execute(
                text("INSERT INTO challenges (challenge_id, rules) VALUES (:challenge_id, :rules)"),
                {"challenge_id": rules.challenge_id, "rules": rules.model_dump_json()},
            )
            metadata = Metadata(correlation_id=rules.stream, actor_id=organiser_id)
            return rules, append(connection, [NewEvent(rules, metadata, 0)]).position
    except IntegrityError as error:
        raise Problem(
            HTTPStatus.CONFLICT, "challenge-taken", f"There is a challenge {new.id} already. Choose another id."
        ) from error


def _rules(connection: Connection, new: NewChallenge, organiser_id: UUID) -> ChallengeCreated:
    version = _prepared_version(connection, new.problem, new.problem_version)
    opens_at = new.opens_at or datetime.now(UTC)
    closes_at = new.closes_at or opens_at + DEFAULT_LENGTH
    try:
        return ChallengeCreated(
            challenge_id=new.id,
            title=new.title,
            problem_id=new.problem,
            problem_version=version,
            organiser_id=organiser_id,
            opens_at=opens_at,
            code_opens_at=new.code_opens_at or closes_at,
            closes_at=closes_at,
            pool=new.pool,
            limits=FoldLimits.model_validate(new.limits.model_dump()),
            log_policy=new.log_policy,
            team_log_bytes=new.team_log_bytes,
            ensemble_size=new.ensemble_size,
            ensemble_min_improvement=new.ensemble_min_improvement,
        )
    except ValidationError as error:
        detail = "; ".join(each["msg"] for each in error.errors())
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-rules", detail) from error


def _prepared_version(connection: Connection, problem_id: str, version: int | None) -> int:
    prepared = find_prepared(connection, problem_id, version) if version else newest_prepared(connection, problem_id)
    if prepared is not None:
        return prepared.version
    if not problem_history(connection, problem_id):
        detail = f"There is no problem {problem_id}. Publish it first: palio problem publish"
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-problem", detail)
    what = f"Version {version} of problem {problem_id}" if version else f"Problem {problem_id}"
    detail = f"{what} is not prepared. Wait until it is, or see why not: GET /v1/problems/{problem_id}"
    raise Problem(HTTPStatus.CONFLICT, "problem-not-prepared", detail)


def join_challenge(engine: Engine, challenge_id: str, team_id: UUID, user_id: UUID) -> int:
    """Let a team take part; returns the position. Joining twice is joining once."""
    joined = JoinApproved(challenge_id=challenge_id, team_id=team_id)
    new = NewEvent(joined, Metadata(correlation_id=joined.stream, actor_id=user_id), 0, derived_id(joined.stream))
    with engine.begin() as connection:
        rules = find_rules(connection, challenge_id)
        added = connection.execute(
            text("INSERT INTO joins VALUES (:challenge_id, :team_id) ON CONFLICT DO NOTHING"),
            {"challenge_id": challenge_id, "team_id": team_id},
        ).rowcount
        if not added:
            return _position_of(connection, joined.stream)
        appended = append(connection, [new])
        if appended.recorded_at >= rules.closes_at:
            raise Problem(
                HTTPStatus.CONFLICT, "challenge-closed", f"{rules.title} closed at {rules.closes_at:%Y-%m-%d %H:%M} UTC."
            )
        return appended.position


def _position_of(connection: Connection, stream: str) -> int:
    statement = text("SELECT max(position) FROM ledger.events WHERE stream = :stream")
    return int(connection.execute(statement, {"stream": stream}).scalar_one())


def find_rules(connection: Connection, challenge_id: str) -> ChallengeCreated:
    """The rules of a challenge. Raises a 404 `Problem` if there is none of this id."""
    # From the ledger, which brings what an earlier release recorded up to date.
    rules = rules_of(connection, challenge_id)
    if rules is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, "unknown-challenge", f"There is no challenge {challenge_id}. They are listed at /v1/challenges"
        )
    return rules


def require_organiser(rules: ChallengeCreated, person: Principal) -> None:
    """Raise a 403 `Problem` unless this person organises the challenge, or administrates the platform."""
    if not person.administrator and person.user_id != rules.organiser_id:
        detail = f"Only the organiser of {rules.title} and administrators may do this."
        raise Problem(HTTPStatus.FORBIDDEN, "not-organiser", detail)


def require_prepared(connection: Connection, rules: ChallengeCreated, version: int) -> None:
    """Raise a 409 `Problem` unless this version of a challenge's problem is prepared, and none before the one that it runs."""
    if version < rules.problem_version:
        detail = f"{rules.title} runs version {rules.problem_version} of {rules.problem_id}. To go back, publish what was before again."
        raise Problem(HTTPStatus.CONFLICT, "older-version", detail)
    _prepared_version(connection, rules.problem_id, version)
