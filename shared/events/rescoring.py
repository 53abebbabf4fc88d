"""Another version of a problem for a challenge under way: first a dry run of its scores, then adopted."""

from uuid import UUID

from pydantic import Field

from shared.events.base import Event, Payload, Service, services


class RescoringEvent(Event):
    """What all events of one challenge's step to one version of its problem share."""

    challenge_id: str
    problem_version: int = Field(ge=1)

    @property
    def stream(self) -> str:
        return f"rescoring-{self.challenge_id}-{self.problem_version}"


class RescoringRequested(RescoringEvent):
    """A dry run: stored predictions are to be scored by this version, for the organiser to see what would move."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.SCORER, Service.LEADERBOARD)

    problem_id: str
    user_id: UUID


class RescoringComputed(RescoringEvent):
    """Every submission on the boards has a score by this version, or a reason why not."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD)

    #: The ledger position up to which scores were looked at.
    up_to_position: int = Field(ge=1)
    n_scored: int = Field(ge=0)
    #: The version's code failed on them: `RescoringFailed`.
    n_failed: int = Field(ge=0)
    #: Other data or folds than they were trained on: they need a run on this version.
    n_to_retrain: int = Field(ge=0)


class RescoringConfirmed(RescoringEvent):
    """The organiser wants this version. Runs that came meanwhile are scored, and then it is adopted."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.SCORER)

    user_id: UUID
    #: Although submissions that have no score by it leave the boards. Else, if there are any by then, it is not adopted, but
    #: `RescoringComputed` once more.
    without_missing: bool


class RankMove(Payload):
    """A team whose place on the public competition board another version of the problem changed; None: it has none."""

    team_id: UUID
    before: int | None = Field(ge=1)
    after: int | None = Field(ge=1)


class ProblemVersionAdopted(Event):
    """The challenge runs this version of its problem. From here on its boards show scores by it, all at once."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER, Service.SCORER)

    challenge_id: str
    problem_id: str
    problem_version: int = Field(ge=1)
    #: Only those that moved.
    moves: tuple[RankMove, ...]

    @property
    def stream(self) -> str:
        return f"challenge-{self.challenge_id}"
