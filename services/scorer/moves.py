"""Whose place on the public competition board another version of the problem changes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from shared.events import Metric, ProblemPrepared, RankMove, ScoreEvent
from shared.final_scores import final_scores
from shared.ledger import read_after
from shared.ranking import best_of_teams, in_order

_SCORED = text(
    "SELECT s.submission_id, s.team_id, s.submitted_at, c.position FROM submissions s JOIN scored c USING (submission_id)"
    " WHERE s.challenge_id = :challenge_id AND c.problem_version = :problem_version"
)


@dataclass(frozen=True)
class Entry:
    """A submission as the public board ranks it: by its official score on validation rows, None where it has none."""

    submission_id: UUID
    team_id: UUID
    submitted_at: datetime
    score: float | None


def read_entries(connection: Connection, challenge_id: str, prepared: ProblemPrepared) -> list[Entry]:
    """What a version of the problem has scored in a challenge, in no order. Reads each score from the ledger, and keeps one number of it."""
    values = {"challenge_id": challenge_id, "problem_version": prepared.version}
    official = prepared.metrics[0].name
    entries = []
    for row in connection.execute(_SCORED, values).all():
        [recorded] = read_after(connection, row.position - 1, 1)
        score = recorded.event()
        if not isinstance(score, ScoreEvent):
            raise TypeError(f"{recorded.type} at position {row.position} is no score")
        number = final_scores(score, "valid", prepared.score_kind).get(official)
        entries.append(Entry(row.submission_id, row.team_id, row.submitted_at, number))
    return entries


def places(entries: Iterable[Entry], official: Metric) -> dict[UUID, int]:
    """The place of each team, from 1. Pure."""
    best = best_of_teams(in_order(entries, lambda entry: entry.score, official))
    return {entry.team_id: place for place, entry in enumerate(best, start=1)}


def moves_between(before: Mapping[UUID, int], after: Mapping[UUID, int]) -> tuple[RankMove, ...]:
    """The teams whose place is another one, in the order of their places after; those that have none any more come last. Pure."""
    teams = sorted(
        {*before, *after}, key=lambda team: (after.get(team) is None, after.get(team, 0), before.get(team, 0), str(team))
    )
    return tuple(
        RankMove(team_id=team, before=before.get(team), after=after.get(team))
        for team in teams
        if before.get(team) != after.get(team)
    )
