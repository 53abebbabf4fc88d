"""A challenge's step to another version of its problem: a dry run asked for, and confirmed. The scorer does the rest.

Both are events of one stream, appended at the version that was looked at: asked for twice is asked for once.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Literal

from sqlalchemy import Connection, Engine, text

from services.ingest.challenges import find_rules, require_organiser, require_prepared
from services.ingest.run_history import decided
from shared.events import (
    ChallengeCreated,
    Event,
    Metadata,
    RescoringComputed,
    RescoringConfirmed,
    RescoringEvent,
    RescoringRequested,
)
from shared.http import Problem
from shared.ledger import NewEvent, append, derived_id, known_events, read_stream
from shared.prepared_problems import newest_prepared
from shared.vault import Principal

#: A message that was buried, since the scorer failed again and again, comes from nobody else.
FORGOTTEN_AFTER = timedelta(minutes=10)
State = Literal["requested", "computed", "confirmed", "adopted"]


@dataclass(frozen=True)
class Rescoring:
    """How a challenge's step to a version stands; `position` None where nothing was recorded now."""

    problem_version: int
    state: State
    position: int | None


def request_rescoring(engine: Engine, challenge_id: str, version: int | None, person: Principal) -> Rescoring:
    """Ask for a dry run by a version of the problem, None for the newest; again, to take in what was scored since.

    Raises `Problem`: 403 for whoever is not the challenge's organiser, 409 for a version that is not prepared or older than the
    challenge's.
    """
    return decided(engine, partial(_request, challenge_id, version, person))


def confirm_rescoring(engine: Engine, challenge_id: str, version: int, person: Principal, *, without_missing: bool) -> Rescoring:
    """Let the challenge run this version. Twice is once.

    Raises `Problem` as `request_rescoring` does, and 409 before the dry run is done, or if submissions would leave the boards and that
    was not asked for.
    """
    return decided(engine, partial(_confirm, challenge_id, version, person, without_missing=without_missing))


def _request(challenge_id: str, version: int | None, person: Principal, connection: Connection) -> Rescoring:
    rules = _rules(connection, challenge_id, person)
    if version is None:
        newest = newest_prepared(connection, rules.problem_id)
        version = newest.version if newest else rules.problem_version
    stream = _Stream(connection, rules, version)
    if stream.state == "adopted" or (stream.state == "requested" and not stream.is_forgotten(connection)):
        return Rescoring(version, stream.state, None)
    wanted = RescoringRequested(
        challenge_id=challenge_id, problem_version=version, problem_id=rules.problem_id, user_id=person.user_id
    )
    return Rescoring(version, "requested", stream.append(connection, wanted, person))


def _confirm(challenge_id: str, version: int, person: Principal, connection: Connection, *, without_missing: bool) -> Rescoring:
    stream = _Stream(connection, _rules(connection, challenge_id, person), version)
    if stream.state == "adopted" or (stream.state == "confirmed" and not stream.is_forgotten(connection)):
        return Rescoring(version, stream.state, None)
    computed = stream.computed
    if computed is None or stream.state == "requested":
        detail = f"The scores by version {version} are not there yet: palio challenge rescore {challenge_id} --version {version}"
        raise Problem(HTTPStatus.CONFLICT, "rescoring-not-ready", detail)
    missing = computed.n_failed + computed.n_to_retrain
    if missing and not without_missing:
        detail = (
            f"{missing} submissions have no score by version {version} and would leave the boards: {computed.n_failed} on which its code"
            f" failed, {computed.n_to_retrain} to be trained again (palio challenge retrain {challenge_id} --version {version})."
            " Or confirm without them: --without-missing"
        )
        raise Problem(HTTPStatus.CONFLICT, "scores-missing", detail)
    # What is scored meanwhile may have none either: the scorer sees to that.
    confirmed = RescoringConfirmed(
        challenge_id=challenge_id, problem_version=version, user_id=person.user_id, without_missing=without_missing
    )
    return Rescoring(version, "confirmed", stream.append(connection, confirmed, person))


def _rules(connection: Connection, challenge_id: str, person: Principal) -> ChallengeCreated:
    rules = find_rules(connection, challenge_id)
    require_organiser(rules, person)
    return rules


class _Stream:
    """What was recorded of a challenge's step to a version."""

    def __init__(self, connection: Connection, rules: ChallengeCreated, version: int) -> None:
        require_prepared(connection, rules, version)
        recorded = read_stream(connection, f"rescoring-{rules.challenge_id}-{version}")
        self._version = len(recorded)
        self._asked_at = recorded[-1].recorded_at if recorded else None
        self._events: list[Event] = [event for _, event in known_events(recorded)]
        self._is_adopted = version == rules.problem_version

    @property
    def state(self) -> State | None:
        """None before anything was asked for."""
        if self._is_adopted:
            return "adopted"
        match self._events[-1:]:
            case [RescoringRequested()]:
                return "requested"
            case [RescoringConfirmed()]:
                return "confirmed"
            case [RescoringComputed()]:
                return "computed"
            case _:
                return None

    @property
    def computed(self) -> RescoringComputed | None:
        """The newest dry run."""
        return next((each for each in reversed(self._events) if isinstance(each, RescoringComputed)), None)

    def is_forgotten(self, connection: Connection) -> bool:
        """Whether nothing came of it for so long that asking again is worth it: the scorer does what is done already once."""
        now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return self._asked_at is not None and now - self._asked_at > FORGOTTEN_AFTER

    def append(self, connection: Connection, event: RescoringEvent, person: Principal) -> int:
        metadata = Metadata(correlation_id=event.stream, actor_id=person.user_id)
        event_id = derived_id(event.stream, self._version)
        return append(connection, [NewEvent(event, metadata, self._version, id=event_id)]).position
