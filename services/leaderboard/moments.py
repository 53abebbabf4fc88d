"""What `?at=` says: a ledger position, or a time, which means the last position recorded by then."""

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from sqlalchemy import Connection, text

from services.leaderboard.challenges import Challenge
from shared.http import Problem

_RECORDED_AT = text("SELECT recorded_at FROM ledger.events WHERE position = :position")


@dataclass(frozen=True)
class Moment:
    """A position in the ledger, and when what stands there was recorded."""

    position: int
    recorded_at: datetime


def moment_of(connection: Connection, at: str) -> Moment:
    """The moment that a request names.

    Raises `Problem`: 422 for nonsense and for what is still to come, 404 for a moment before the first event, 503 if the read models
    have not come so far yet.
    """
    head = int(connection.execute(text("SELECT position FROM ledger.head")).scalar_one())
    position = int(at) if at.isascii() and at.isdigit() else _position_at(connection, _time(at), head)
    if position > head:
        raise _wrong("future-moment", f"The ledger ends at position {head:,}; ask for one up to there.")
    if position == 0:
        raise Problem(HTTPStatus.NOT_FOUND, "not-there-then", "Nothing had been recorded at that moment.")
    if position > int(connection.execute(text("SELECT position FROM checkpoint")).scalar_one()):
        detail = f"Position {position} is not in the read models yet. Try again in a moment."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not-there-yet", detail, headers={"Retry-After": "1"})
    return Moment(position, connection.execute(_RECORDED_AT, {"position": position}).scalar_one())


def moment_for(connection: Connection, challenge: Challenge, at: str | None) -> Moment | None:
    """What `at` means for a challenge; None for now. Raises as `moment_in` does."""
    return None if at is None else moment_in(connection, challenge, at)


def moment_in(connection: Connection, challenge: Challenge, at: str) -> Moment:
    """What `at` means for a challenge. Raises `Problem` as `moment_of` does, and 404 before the challenge was there."""
    moment = moment_of(connection, at)
    if moment.position < challenge.created_at_position:
        detail = f"There was no challenge {challenge.challenge_id} at that moment."
        raise Problem(HTTPStatus.NOT_FOUND, "not-there-then", detail)
    return moment


def _time(at: str) -> datetime:
    try:
        # A plus sign in an address means a space.
        moment = datetime.fromisoformat(at.replace(" ", "+") if at.count(":") > 1 and "T" in at else at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _wrong(
            "bad-moment", "`at` is a ledger position, such as 1200, or a time with its zone, such as 2026-05-01T12:00:00Z."
        )
    if moment > datetime.now(UTC):
        raise _wrong("future-moment", "That time is still to come.")
    return moment


def _position_at(connection: Connection, moment: datetime, head: int) -> int:
    """The last position recorded by then; 0 if there is none. Times never go back along the ledger, so halving finds it."""
    low, high = 0, head
    while low < high:
        middle = (low + high + 1) // 2
        if connection.execute(_RECORDED_AT, {"position": middle}).scalar_one() <= moment:
            low = middle
        else:
            high = middle - 1
    return low


def _wrong(code: str, detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, code, detail)
