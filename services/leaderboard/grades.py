"""Grades: what a teacher needs to know of each person who takes part, and the code that was handed in.

Persons' names, the challenge's organiser and the bundles of files are read from the ledger itself: they are asked for too rarely to be
kept in tables.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from services.leaderboard.boards import Board, Row, rank
from services.leaderboard.challenges import Challenge
from services.leaderboard.ensembles import find_ensemble
from services.leaderboard.submissions import submissions_on_boards
from services.leaderboard.teams import team_names
from shared.challenge_rules import rules_of
from shared.events import Event, SubmissionUploaded, UserRegistered
from shared.ledger import known_events, read_first_of_streams
from shared.vault import unseal_all

_MEMBERS = text(
    "SELECT m.user_id, m.team_id FROM joins j JOIN members m ON m.team_id = j.team_id WHERE j.challenge_id = :challenge_id"
)
_SUBMISSIONS = text("SELECT submission_id, team_id FROM submissions WHERE challenge_id = :challenge_id")


@dataclass(frozen=True)
class Grade:
    """One person in one challenge.

    Scores are of the official metric, of the submission that stands for the team in the competition; None where there is none.
    `contributivity`: how much of the challenge's ensemble the team's submissions are, in percent; `historical_contributivity`: once
    each submission has passed on what it credits to earlier ones; None before there is an ensemble.
    `n_submissions` counts what the team has handed in, whatever became of it.
    """

    name: str
    team: str
    rank: int | None
    public_score: float | None
    private_rank: int | None
    private_score: float | None
    contributivity: int | None
    historical_contributivity: int | None
    n_submissions: int


@dataclass(frozen=True)
class HandedIn:
    """The files of a submission."""

    submission_id: UUID
    team_id: UUID
    team: str
    name: str
    files: tuple[str, ...]
    bundle_digest: str


def organiser_of(connection: Connection, challenge_id: str) -> UUID | None:
    """Who created a challenge; None for an unknown one."""
    rules = rules_of(connection, challenge_id)
    return rules.organiser_id if rules else None


def grades_of(connection: Connection, challenge: Challenge) -> list[Grade]:
    """A grade for each member of each team that takes part: by rank, those without a score last, then by name."""
    members = connection.execute(_MEMBERS, {"challenge_id": challenge.challenge_id}).all()
    teams = team_names(connection, {row.team_id for row in members})
    persons = person_names(connection, {row.user_id for row in members})
    submitted = {
        row.submission_id: row.team_id for row in connection.execute(_SUBMISSIONS, {"challenge_id": challenge.challenge_id})
    }
    counts = Counter(submitted.values())
    ensemble = find_ensemble(connection, challenge)
    shares = _of_teams(ensemble.shares, submitted) if ensemble else None
    historical = _of_teams(ensemble.historical_shares, submitted) if ensemble else None
    public, private = (_places(connection, challenge, board) for board in (Board.COMPETITION, Board.PRIVATE_COMPETITION))
    official = challenge.problem.metrics[0].name
    grades = []
    for row in members:
        shown, hidden = public.get(row.team_id), private.get(row.team_id)
        private_score = hidden.scores.get(official) if hidden else None
        grade = Grade(
            name=persons[row.user_id],
            team=teams[row.team_id],
            rank=shown.rank if shown else None,
            public_score=shown.scores.get(official) if shown else None,
            private_rank=hidden.rank if hidden and private_score is not None else None,
            private_score=private_score,
            contributivity=_percent(shares, row.team_id),
            historical_contributivity=_percent(historical, row.team_id),
            n_submissions=counts[row.team_id],
        )
        grades.append(grade)
    return sorted(grades, key=lambda each: (each.rank is None, each.rank, each.name))


def person_names(connection: Connection, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """The name of each person; that of an erased one reads `(erased)`."""
    registered = [
        event for event in _first_events(connection, [f"user-{each}" for each in user_ids]) if isinstance(event, UserRegistered)
    ]
    names = unseal_all(connection, [(event.user_id, event.name) for event in registered])
    return {event.user_id: name for event, name in zip(registered, names, strict=True)}


def handed_in(connection: Connection, challenge_id: str) -> list[HandedIn]:
    """Everything that was handed in to a challenge, by team and then in order, whatever became of it."""
    rows = connection.execute(_SUBMISSIONS, {"challenge_id": challenge_id}).all()
    teams = team_names(connection, {row.team_id for row in rows})
    uploads = _first_events(connection, [f"submission-{row.submission_id}" for row in rows])
    found = [
        HandedIn(event.submission_id, event.team_id, teams[event.team_id], event.name, event.files, event.bundle_digest)
        for event in uploads
        if isinstance(event, SubmissionUploaded)
    ]
    # Sorting keeps the order of the ledger among what one team handed in.
    return sorted(found, key=lambda each: (each.team.casefold(), str(each.team_id)))


def _of_teams(shares: Mapping[UUID, float], submitted: Mapping[UUID, UUID]) -> dict[UUID, float]:
    """What each team's submissions are of the ensemble together."""
    of_teams: dict[UUID, float] = {}
    for submission_id, share in shares.items():
        team_id = submitted[submission_id]
        of_teams[team_id] = of_teams.get(team_id, 0.0) + share
    return of_teams


def _percent(of_teams: Mapping[UUID, float] | None, team_id: UUID) -> int | None:
    return None if of_teams is None else round(100 * of_teams.get(team_id, 0.0))


def _places(connection: Connection, challenge: Challenge, board: Board) -> dict[UUID, Row]:
    submissions = submissions_on_boards(connection, challenge.challenge_id)
    rows = rank(submissions, challenge.problem.metrics, board, challenge.problem.score_kind)
    return {row.submission.team_id: row for row in rows}


def _first_events(connection: Connection, streams: list[str]) -> Iterator[Event]:
    return (event for _, event in known_events(read_first_of_streams(connection, streams)))
