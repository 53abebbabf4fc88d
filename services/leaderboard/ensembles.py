"""The ensemble of a challenge as readers see it: what each submission contributes."""

from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from sqlalchemy import Connection, text

from services.leaderboard.challenges import Challenge
from shared.events import EnsembleComputed, EnsembleScore
from shared.final_scores import RankedSplit

_SELECT = text(
    "SELECT from_position, ensemble FROM ensembles WHERE challenge_id = :challenge_id AND from_position <= :position"
    " ORDER BY from_position DESC LIMIT 1"
)
_LATEST = 2**63 - 1


@dataclass(frozen=True)
class Ensemble:
    """An ensemble, and the ledger position from which it was the newest."""

    event: EnsembleComputed
    from_position: int

    @cached_property
    def shares(self) -> dict[UUID, float]:
        """The contributivity of each member: all sum to 1."""
        return {member.submission_id: member.contributivity for member in self.event.members}

    def percent_of(self, submission_id: UUID) -> int:
        """A submission's contributivity in whole percent; 0 for one that was not picked, or not looked at yet."""
        return round(100 * self.shares.get(submission_id, 0.0))

    def looks_like(self, other: "Ensemble | None") -> bool:
        """Whether boards show the same of both."""
        return other is not None and self.shares == other.shares and self.event.combined == other.event.combined

    def combined(self, split: RankedSplit) -> dict[str, float | None]:
        """What it scores, by metric."""
        return of_split(self.event.combined, split)


def of_split(scores: tuple[EnsembleScore, ...], split: RankedSplit) -> dict[str, float | None]:
    """Scores on validation rows or on the test set, by metric."""
    return {each.metric: getattr(each, split) for each in scores}


def find_ensemble(connection: Connection, challenge: Challenge, position: int | None = None) -> Ensemble | None:
    """The newest ensemble of a challenge, or that as of a ledger position; None before the first by its version of the problem."""
    values = {"challenge_id": challenge.challenge_id, "position": _LATEST if position is None else position}
    row = connection.execute(_SELECT, values).one_or_none()
    if row is None:
        return None
    found = Ensemble(EnsembleComputed.model_validate_json(row.ensemble), row.from_position)
    return found if found.event.problem_version == challenge.problem.version else None
