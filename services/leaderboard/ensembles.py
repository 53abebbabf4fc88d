"""The ensemble of a challenge as readers see it: what each submission contributes, and what it owes to earlier ones."""

from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from sqlalchemy import Connection, text

from services.leaderboard.challenges import Challenge
from services.leaderboard.credits import LATEST, Given, find_credits, historical
from shared.events import EnsembleComputed, EnsembleScore
from shared.final_scores import RankedSplit

_SELECT = text(
    "SELECT from_position, ensemble FROM ensembles WHERE challenge_id = :challenge_id AND from_position <= :position"
    " ORDER BY from_position DESC LIMIT 1"
)


@dataclass(frozen=True)
class Ensemble:
    """An ensemble, and the ledger position from which it was the newest."""

    event: EnsembleComputed
    from_position: int
    #: Of the challenge's submissions, also of those that are not in it.
    credits: tuple[Given, ...] = ()

    @cached_property
    def shares(self) -> dict[UUID, float]:
        """The contributivity of each member: all sum to 1."""
        return {member.submission_id: member.contributivity for member in self.event.members}

    @cached_property
    def historical_shares(self) -> dict[UUID, float]:
        """The contributivity of each submission once members have passed it on to what they were taken from: all sum to 1."""
        return historical(self.shares, self.credits)

    @property
    def changed_at_position(self) -> int:
        """The ledger position from which on it is all that it is, with its credits."""
        return max([self.from_position, *(each.from_position for each in self.credits)])

    def percent_of(self, submission_id: UUID) -> int:
        """A submission's contributivity in whole percent; 0 for one that was not picked, or not looked at yet."""
        return round(100 * self.shares.get(submission_id, 0.0))

    def historical_percent_of(self, submission_id: UUID) -> int:
        """A submission's historical contributivity in whole percent."""
        return round(100 * self.historical_shares.get(submission_id, 0.0))

    def looks_like(self, other: "Ensemble | None") -> bool:
        """Whether boards show the same of both."""
        if other is None or self.event.combined != other.event.combined:
            return False
        return self.shares == other.shares and self.historical_shares == other.historical_shares

    def combined(self, split: RankedSplit) -> dict[str, float | None]:
        """What it scores, by metric."""
        return of_split(self.event.combined, split)


def of_split(scores: tuple[EnsembleScore, ...], split: RankedSplit) -> dict[str, float | None]:
    """Scores on validation rows or on the test set, by metric."""
    return {each.metric: getattr(each, split) for each in scores}


def find_ensemble(connection: Connection, challenge: Challenge, position: int | None = None) -> Ensemble | None:
    """The newest ensemble of a challenge, or that as of a ledger position; None before the first by its version of the problem."""
    position = LATEST if position is None else position
    row = connection.execute(_SELECT, {"challenge_id": challenge.challenge_id, "position": position}).one_or_none()
    if row is None:
        return None
    event = EnsembleComputed.model_validate_json(row.ensemble)
    if event.problem_version != challenge.problem.version:
        return None
    return Ensemble(event, row.from_position, find_credits(connection, challenge.challenge_id, position))
