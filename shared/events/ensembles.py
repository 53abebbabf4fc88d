"""Ensembles: what the best of a challenge's submissions score together, and what each contributes."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator

from shared.events.base import Event, Payload, Service, services

Score = Annotated[float, Field(allow_inf_nan=False)]


class EnsembleScore(Payload):
    """One metric of predictions bagged over the folds; None where there is no score, or no test set."""

    metric: str
    valid: Score | None
    test: Score | None


class CurvePoint(Payload):
    """The official metric of the ensembles of at most so many members."""

    n_members: int = Field(ge=1)
    valid: Score | None
    test: Score | None


class EnsembleMember(Payload):
    """A run that was picked. `contributivity`: its share of the picks, averaged over folds; all members' sum to 1."""

    submission_id: UUID
    run_id: UUID
    contributivity: float = Field(gt=0, le=1 + 1e-9)


class EnsembleEvent(Event):
    """What all events of a challenge's ensemble share."""

    challenge_id: str
    problem_version: int
    #: The ledger position up to which submissions were candidates.
    up_to_position: int = Field(ge=1)

    @property
    def stream(self) -> str:
        return f"ensemble-{self.challenge_id}"


class EnsembleComputed(EnsembleEvent):
    """Submissions were selected, for each fold, by how well they predict its validation rows together."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)

    n_candidates: int = Field(ge=0)
    members: tuple[EnsembleMember, ...]
    #: For each fold, members by their place above, in the order picked; some perhaps often.
    picks: tuple[tuple[int, ...], ...]
    #: Of the folds' ensembles, bagged; and of the best submission of each fold, bagged.
    combined: tuple[EnsembleScore, ...]
    foldwise_best: tuple[EnsembleScore, ...]
    curve: tuple[CurvePoint, ...]
    #: Bucket `private`, `details/<digest>`: why scores are missing, for the organiser; None where none is.
    detail_digest: str | None = None

    @model_validator(mode="after")
    def _picks_are_members(self) -> "EnsembleComputed":
        if {pick for of_fold in self.picks for pick in of_fold} != set(range(len(self.members))):
            message = "every member is picked by a fold, and nobody else is"
            raise ValueError(message)
        return self


class EnsembleFailed(EnsembleEvent):
    """The problem's own code failed while its ensemble was worked out. The one before stands until there is another."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)

    reason: str
    #: Bucket `private`, `details/<digest>`: the traceback of the organiser's code, for the organiser.
    detail_digest: str | None
