"""Giving credit: how much of a submission its team took from earlier ones.

Until the challenge closes; to another team's submissions once its code is open.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection, Engine

from services.ingest.challenges import find_rules
from services.ingest.run_history import decided
from shared.events import ChallengeCreated, Credit, CreditsGiven, Metadata, SubmissionUploaded
from shared.http import Problem
from shared.ledger import NewEvent, append, known_events, read_first_of_streams, read_stream


@dataclass(frozen=True)
class GivenCredits:
    """What a submission gives, the largest first; and the ledger position that says so, None if nothing ever did."""

    credits: tuple[Credit, ...]
    position: int | None


@dataclass(frozen=True)
class _Upload:
    event: SubmissionUploaded
    position: int


def give_credits(engine: Engine, submission_id: UUID, wanted: Sequence[Credit], user_id: UUID, team_id: UUID) -> GivenCredits:
    """Say what a submission took from others, in the place of what was said before. The same said again is recorded once.

    Raises `Problem`: 404 for an unknown submission, 403 for another team's, 422 for credits that can't be, 409 after the challenge
    has closed, and for credit to another team before its code is open.
    """
    return decided(engine, partial(_give, submission_id, wanted, user_id, team_id))


def _give(submission_id: UUID, wanted: Iterable[Credit], user_id: UUID, team_id: UUID, connection: Connection) -> GivenCredits:
    ordered = sorted(wanted, key=lambda each: (-each.percent, each.submission_id))
    uploads = _uploads(connection, {submission_id, *(each.submission_id for each in ordered)})
    submission = _found(uploads, submission_id)
    if submission.event.team_id != team_id:
        raise Problem(HTTPStatus.FORBIDDEN, "not-yours", "Only the submission's team may say what it took from others.")
    given = _event(submission.event, ordered, user_id)
    sources = [_found(uploads, each.submission_id) for each in given.credits]
    for source in sources:
        _require_earlier(source, submission)
    stream = read_stream(connection, given.stream)
    said = [(recorded, event) for recorded, event in known_events(stream) if isinstance(event, CreditsGiven)]
    if given.credits == (said[-1][1].credits if said else ()):
        return GivenCredits(given.credits, said[-1][0].position if said else None)
    rules = find_rules(connection, given.challenge_id)
    metadata = Metadata(correlation_id=str(submission_id), actor_id=user_id)
    appended = append(connection, [NewEvent(given, metadata, len(stream))])
    # Compared with the time that the ledger will show, read after its lock, as every deadline is.
    if appended.recorded_at >= rules.closes_at:
        # Grades and the hash that was mailed at the end would tell of different worlds.
        detail = f"{rules.title} closed at {rules.closes_at:%Y-%m-%d %H:%M:%S} UTC: what was credited by then stands."
        raise Problem(HTTPStatus.CONFLICT, "challenge-closed", detail)
    if any(source.event.team_id != team_id for source in sources) and appended.recorded_at < rules.code_opens_at:
        raise _not_open(rules)
    return GivenCredits(given.credits, appended.position)


def _uploads(connection: Connection, submission_ids: Collection[UUID]) -> dict[UUID, _Upload]:
    first = known_events(read_first_of_streams(connection, [f"submission-{each}" for each in submission_ids]))
    return {
        event.submission_id: _Upload(event, recorded.position)
        for recorded, event in first
        if isinstance(event, SubmissionUploaded)
    }


def _found(uploads: dict[UUID, _Upload], submission_id: UUID) -> _Upload:
    if submission_id not in uploads:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-submission", f"There is no submission {submission_id}.")
    return uploads[submission_id]


def _event(submission: SubmissionUploaded, wanted: Sequence[Credit], user_id: UUID) -> CreditsGiven:
    try:
        return CreditsGiven(
            submission_id=submission.submission_id,
            challenge_id=submission.challenge_id,
            user_id=user_id,
            credits=tuple(wanted),
        )
    except ValidationError as error:
        raise _impossible("; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())) from error


def _require_earlier(source: _Upload, submission: _Upload) -> None:
    if source.event.challenge_id != submission.event.challenge_id:
        raise _impossible(f"credit goes to submissions of the same challenge: {source.event.name} was handed in to another one")
    if source.position > submission.position:
        why = f"credit goes to what was there before: {source.event.name} was handed in after {submission.event.name}"
        raise _impossible(why)


def _impossible(why: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-credits", f"{why[0].upper()}{why[1:]}.")


def _not_open(rules: ChallengeCreated) -> Problem:
    opens = f"{rules.code_opens_at:%Y-%m-%d %H:%M:%S} UTC"
    detail = f"The code of {rules.title} opens at {opens}. Until then credit goes to your own team's submissions alone."
    return Problem(HTTPStatus.CONFLICT, "code-not-open", detail)
