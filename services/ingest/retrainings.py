"""Asking for submissions of a challenge to be trained again.

Each request is an event of its submission's own stream, appended at the version that was looked at: of two at once one is first, and
the other finds what it asked for. A death in the middle of many leaves those that were asked for; asking again goes on from there.
"""

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from services.ingest.challenges import find_rules, require_organiser, require_prepared
from services.ingest.run_history import RunHistory, decided
from shared.events import RunRequested, ScoreComputed, ScoringFailed, SubmissionWithdrawn, TrainingFinished
from shared.http import Problem
from shared.vault import Principal

#: So many of the submissions that a challenge does not have are named in the answer.
NAMED = 10
#: What came of it. `not-trained`: it was withdrawn, or ended by its own fault and was not asked for by its id.
Answer = Literal["requested", "already", "under-way", "not-trained"]


@dataclass(frozen=True)
class Retraining:
    """What an organiser asks for. `submissions`: None for all whose run was trained, or failed by no fault of their own.

    `problem_version`: None for the challenge's. `again`: also those that were trained again by this version of the problem.
    """

    submissions: tuple[UUID, ...] | None
    problem_version: int | None
    again: bool
    reason: str


@dataclass(frozen=True)
class Retrained:
    """What came of it for one submission. `run` is the number of its newest run; `position` None where nothing was recorded."""

    submission_id: UUID
    name: str
    run: int
    answer: Answer
    position: int | None


def retrain(engine: Engine, challenge_id: str, wanted: Retraining, person: Principal) -> tuple[int, list[Retrained]]:
    """Ask for new runs; returns the version that they are trained on, and what came of each, in the order of handing in.

    Raises `Problem`: 403 for whoever is not the challenge's organiser, 404 for an unknown submission, 409 for a version that is not
    prepared or older than the challenge's.
    """
    with engine.connect() as connection:
        rules = find_rules(connection, challenge_id)
        require_organiser(rules, person)
        version = wanted.problem_version or rules.problem_version
        require_prepared(connection, rules, version)
        chosen = _chosen(connection, challenge_id, wanted.submissions)
    return version, [decided(engine, partial(_retrain, each, version, wanted, person)) for each in chosen]


def _chosen(connection: Connection, challenge_id: str, wanted: tuple[UUID, ...] | None) -> list[UUID]:
    statement = text(
        "SELECT submission_id FROM submissions WHERE challenge_id = :challenge_id ORDER BY recorded_at, submission_id"
    )
    there = list(connection.execute(statement, {"challenge_id": challenge_id}).scalars())
    if wanted is None:
        return there
    chosen = set(wanted)
    unknown = sorted(map(str, chosen.difference(there)))
    if unknown:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        detail = f"{challenge_id} has no submission {', '.join(unknown[:NAMED])}{more}."
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-submission", detail)
    return [each for each in there if each in chosen]


def _retrain(submission_id: UUID, version: int, wanted: Retraining, person: Principal, connection: Connection) -> Retrained:
    history = RunHistory(connection, submission_id)
    newest, name = _newest(history), history.upload.name
    answer = _answer(history, newest, version, wanted)
    if answer != "requested":
        return Retrained(submission_id, name, newest, answer, None)
    return Retrained(submission_id, name, len(history) + 1, answer, history.ask(version, None, wanted.reason, person))


def _newest(history: RunHistory) -> int:
    """The run to go by: the newest; where that was withdrawn and the submission stands by a score of before, the run of that score.

    An administrator may stop a retraining, of which a submission on the boards is not withdrawn.
    """
    *_, newest = history.standing
    if not isinstance(history.end_of(newest), SubmissionWithdrawn):
        return newest
    scored = (each for each in reversed(history.standing) if isinstance(history.end_of(each), ScoreComputed))
    return next(scored, newest)


def _answer(history: RunHistory, newest: int, version: int, wanted: Retraining) -> Answer:
    end = history.end_of(newest)
    if end is None:
        return "under-way"
    failed_by_us = isinstance(end, ScoringFailed) or (isinstance(end, TrainingFinished) and end.outcome.is_ours)
    if failed_by_us:
        return "requested"
    if isinstance(end, ScoreComputed):
        asked = history.asked(newest)
        is_done = isinstance(asked, RunRequested) and asked.problem_version == version
        return "already" if is_done and not wanted.again else "requested"
    # The same code fails again, unless who asks for just this one knows better. What was withdrawn stays so.
    by_name = wanted.submissions is not None and isinstance(end, TrainingFinished)
    return "requested" if by_name else "not-trained"
