"""What a mail says, gathered when it is written: from the ledger, from what the mailer knows, and unsealed only now.

So a person whose key was destroyed in the meantime gets no mail, and no name lies about in the clear.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from services.mailer.outbox import Claimed
from services.mailer.tracebacks import one_line, read_traceback
from shared.artefacts import Store
from shared.challenge_rules import rules_of
from shared.events import (
    ChallengeClosed,
    EnsembleComputed,
    EnsembleFailed,
    Event,
    LogPolicy,
    Metric,
    Outcome,
    ProblemVersionAdopted,
    RecordedEvent,
    RescoringFailed,
    RunReproduced,
    RunRescored,
    ScoreComputed,
    ScoringFailed,
    TrainingFinished,
)
from shared.final_scores import ScoreKind, final_scores
from shared.ledger import read_after
from shared.vault import ERASED, unseal, unseal_all
from shared.visibility import mails_traceback

#: A score whose metric is not known by name; enough digits to tell two apart.
DEFAULT_PRECISION = 4

NAMES = text("""
    SELECT u.name AS user_name, u.email, t.name AS team, t.sealed_for, s.name AS submission, c.challenge_id, c.title, c.problem_id
    FROM submissions s JOIN challenges c USING (challenge_id) JOIN teams t USING (team_id), users u
    WHERE s.submission_id = :submission_id AND u.user_id = :user_id
""")
CHALLENGE = text("""
    SELECT u.name AS user_name, u.email, c.challenge_id, c.title, e.hash
    FROM challenges c, users u, ledger.events e
    WHERE c.challenge_id = :challenge_id AND u.user_id = :user_id AND e.position = :position
""")
TEAMS = text("SELECT t.team_id, t.name, t.sealed_for FROM teams t JOIN members m USING (team_id) WHERE m.user_id = :user_id")
PROBLEM = text("SELECT metrics, score_kind FROM problems WHERE problem_id = :problem_id AND version = :version")


class NobodyToWriteToError(Exception):
    """The person asked to be forgotten."""


@dataclass(frozen=True)
class Score:
    """A line of the score table, as it is printed."""

    metric: str
    value: str
    better: str


@dataclass(frozen=True)
class Failure:
    """Why there is no score. `is_ours`: the kit's or the platform's fault, not the team's."""

    outcome: Outcome
    reason: str
    is_ours: bool
    traceback: str | None


@dataclass(frozen=True)
class Closing:
    """Where the ledger says that a challenge closed, and the hash (hexadecimal) that seals it up to there."""

    position: int
    hash: str
    closed_at: datetime


@dataclass(frozen=True)
class Move:
    """A team's place on the competition board, before and after; None: it has none."""

    team: str
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Adoption:
    """The version of its problem that a challenge runs from now on, and where that puts this person's teams."""

    version: int
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Facts:
    """Everything that a mail says. Names are one line each, without control characters, and otherwise as people wrote them.

    `team`, `submission` and its address are empty in a mail about a challenge.
    """

    cause: RecordedEvent
    name: str
    email: str
    challenge: str
    challenge_url: str
    team: str = ""
    submission: str = ""
    submission_url: str = ""
    scores: tuple[Score, ...] = ()
    score_kind: ScoreKind = "bag"
    failure: Failure | None = None
    closing: Closing | None = None
    adoption: Adoption | None = None
    #: The id in commands; empty in a mail about a submission.
    challenge_id: str = ""
    #: What the kit's own code did. What it said may hold labels: it is not sent about.
    fault: str | None = None


#: What an organiser is told of a kit's own code.
KIT_FAULTS: Mapping[type[Event], str] = {
    ScoreComputed: "A metric raised, or gave no finite number, for a submission: that score is missing.",
    ScoringFailed: "The problem's code failed while a submission was scored: it has no score.",
    RunRescored: "A metric raised, or gave no finite number, for a submission by another version of the problem: that score is missing.",
    RunReproduced: "A metric raised, or gave no finite number, for a run that was reproduced: that score is missing.",
    RescoringFailed: "The problem's code failed while a submission was scored by another version: its score of before stands.",
    EnsembleComputed: "A metric raised, or gave no finite number, for an ensemble: that score is missing.",
    EnsembleFailed: "The problem's code failed while the ensemble was worked out: the one before stands.",
}


#: In place of the reason, in a challenge that shows nothing of what code says.
REASON_NOT_SHOWN = "this challenge shows no messages of submissions"

NO_SCORES: tuple[tuple[Score, ...], ScoreKind] = ((), "bag")


class FactFinder:
    """Gathers the facts of a mail. Blocks: call it in a thread. `origin` is without a slash at the end."""

    def __init__(self, engine: Engine, store: Store, origin: str) -> None:
        self._engine = engine
        self._store = store
        self._origin = origin

    def find(self, mail: Claimed) -> Facts:
        """Everything that the mail says. Raises `NobodyToWriteToError`, and the store's errors while it is away."""
        with self._engine.connect() as connection:
            cause = read_after(connection, mail.caused_at_position - 1, 1)[0]
            event = cause.event()
            if mail.challenge_id is not None:
                return self._about_challenge(connection, mail, cause, event)
            row = connection.execute(NAMES, {"submission_id": mail.submission_id, "user_id": mail.user_id}).one()
            name, email = _person(connection, mail, row)
            team = unseal(connection, row.sealed_for, row.team) if row.sealed_for else row.team
            scores, kind = _scores(connection, row.problem_id, event) if isinstance(event, ScoreComputed) else NO_SCORES
            says_why = mails_traceback(_log_policy(connection, row.challenge_id))
        return Facts(
            cause=cause,
            name=name,
            email=email,
            team=one_line(team),
            submission=one_line(row.submission),
            challenge=one_line(row.title),
            submission_url=f"{self._origin}/submissions/{mail.submission_id}",
            challenge_url=f"{self._origin}/challenges/{row.challenge_id}",
            scores=scores,
            score_kind=kind,
            # After the connection is given back: the object store may be slow.
            failure=self._failure(event, says_why=says_why),
        )

    def _about_challenge(self, connection: Connection, mail: Claimed, cause: RecordedEvent, event: Event) -> Facts:
        about = {"challenge_id": mail.challenge_id, "user_id": mail.user_id, "position": cause.position}
        row = connection.execute(CHALLENGE, about).one()
        name, email = _person(connection, mail, row)
        closing = None
        if isinstance(event, ChallengeClosed):
            closing = Closing(cause.position, bytes(row.hash).hex(), event.due_at)
        return Facts(
            cause=cause,
            name=name,
            email=email,
            challenge=one_line(row.title),
            challenge_id=row.challenge_id,
            challenge_url=f"{self._origin}/challenges/{row.challenge_id}",
            closing=closing,
            adoption=_adoption(connection, mail, event) if isinstance(event, ProblemVersionAdopted) else None,
            fault=KIT_FAULTS.get(type(event)),
        )

    def _failure(self, event: Event, *, says_why: bool) -> Failure | None:
        if isinstance(event, ScoringFailed):
            # The detail is the traceback of the organiser's code, which is not this person's to read.
            return Failure(Outcome(event.outcome), one_line(event.reason), is_ours=True, traceback=None)
        if not isinstance(event, TrainingFinished):
            return None
        if not says_why and not event.outcome.is_ours:
            return Failure(event.outcome, REASON_NOT_SHOWN, is_ours=False, traceback=None)
        traceback = None
        if event.traceback_digest is not None:
            traceback = read_traceback(self._store, event.pool, event.run_id, event.traceback_digest)
        return Failure(event.outcome, one_line(event.reason), event.outcome.is_ours, traceback)


def _person(connection: Connection, mail: Claimed, row: Row[Any]) -> tuple[str, str]:
    """Name and address. Raises `NobodyToWriteToError`."""
    name, email = unseal_all(connection, [(mail.user_id, row.user_name), (mail.user_id, row.email)])
    if email == ERASED:
        raise NobodyToWriteToError("this person's key is destroyed")
    return one_line(name), email


def _adoption(connection: Connection, mail: Claimed, event: ProblemVersionAdopted) -> Adoption:
    teams = {row.team_id: row for row in connection.execute(TEAMS, {"user_id": mail.user_id})}
    own = [(move, teams[move.team_id]) for move in event.moves if move.team_id in teams]
    names = [unseal(connection, team.sealed_for, team.name) if team.sealed_for else team.name for _, team in own]
    moves = (Move(one_line(name), move.before, move.after) for name, (move, _) in zip(names, own, strict=True))
    return Adoption(event.problem_version, tuple(moves))


def _log_policy(connection: Connection, challenge_id: str) -> LogPolicy:
    rules = rules_of(connection, challenge_id)
    if rules is None:
        raise LookupError(f"there is no challenge {challenge_id}")
    return rules.log_policy


def _scores(connection: Connection, problem_id: str, event: ScoreComputed) -> tuple[tuple[Score, ...], ScoreKind]:
    row = connection.execute(PROBLEM, {"problem_id": problem_id, "version": event.problem_version}).one()
    known = {metric.name: metric for metric in map(Metric.model_validate, json.loads(row.metrics))}
    # Validation scores, as on the public board: a mail shows none of the test set.
    scores = final_scores(event, "valid", row.score_kind).items()
    return tuple(score_line(name, value, known.get(name)) for name, value in scores), row.score_kind


def score_line(name: str, value: float | None, metric: Metric | None) -> Score:
    """A score as its metric wants it printed."""
    precision = DEFAULT_PRECISION if metric is None else max(metric.precision, 0)
    better = "" if metric is None else ("lower is better" if metric.is_lower_the_better else "higher is better")
    return Score(one_line(name), "none" if value is None else f"{value:.{precision}f}", better)
