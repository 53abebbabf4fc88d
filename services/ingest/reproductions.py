"""Asking for a run to be made again, on the same data in the same environment, to be compared with it."""

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from uuid import UUID

from sqlalchemy import Connection, Engine

from services.ingest.challenges import find_rules, require_organiser
from services.ingest.run_history import RunHistory, decided
from shared.http import Problem
from shared.vault import Principal


@dataclass(frozen=True)
class Reproduction:
    """A run that is compared with `of_run`, by their numbers; and where in the ledger it was asked for."""

    submission_id: UUID
    run: int
    of_run: int
    position: int


def reproduce(engine: Engine, submission_id: UUID, number: int | None, reason: str, person: Principal) -> Reproduction:
    """Ask for it; `number` None: the newest run that was trained and may stand on boards. One that is under way is not begun twice.

    Raises `Problem`: 404 for an unknown submission or run, 403 for whoever is not the challenge's organiser, 409 for a run that is not
    trained.
    """
    return decided(engine, partial(_reproduce, submission_id, number, reason, person))


def _reproduce(submission_id: UUID, number: int | None, reason: str, person: Principal, connection: Connection) -> Reproduction:
    history = RunHistory(connection, submission_id)
    require_organiser(find_rules(connection, history.upload.challenge_id), person)
    of_run = _trained_run(history, number)
    for other in history.reproductions_of(of_run):
        if history.end_of(other) is None:
            return Reproduction(submission_id, other, of_run, history.position(other))
    run, version = len(history) + 1, history.asked(of_run).problem_version
    return Reproduction(submission_id, run, of_run, history.ask(version, of_run, reason, person))


def _trained_run(history: RunHistory, number: int | None) -> int:
    if number is not None and number > len(history):
        detail = f"{history.upload.name} has {len(history)} runs: palio runs {history.upload.submission_id}"
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-run", detail)
    for candidate in [number] if number is not None else reversed(history.standing):
        if history.is_trained(candidate):
            return candidate
    detail = f"{history.upload.name} has no such run that is trained: there is nothing to compare with."
    raise Problem(HTTPStatus.CONFLICT, "not-trained", detail)
