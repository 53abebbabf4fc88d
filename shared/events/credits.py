"""Credits: how much of a submission was taken from earlier ones, as its team says."""

from uuid import UUID

from pydantic import Field, model_validator

from shared.events.base import Event, Payload, Service, services

WHOLE_PERCENT = 100


class Credit(Payload):
    """A submission that something was taken from, and how much of the whole that is."""

    submission_id: UUID
    percent: int = Field(ge=1, le=WHOLE_PERCENT)


class CreditsGiven(Event):
    """A team said what a submission took from others; what is left of 100 percent is its own. It replaces what was said of it before."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.LEADERBOARD)

    submission_id: UUID
    challenge_id: str
    user_id: UUID
    #: The largest first; empty: all of it is its own.
    credits: tuple[Credit, ...]

    @property
    def stream(self) -> str:
        return f"credits-{self.submission_id}"

    @model_validator(mode="after")
    def _of_others_and_once(self) -> "CreditsGiven":
        sources = [each.submission_id for each in self.credits]
        given = sum(each.percent for each in self.credits)
        if self.submission_id in sources:
            message = "a submission gives no credit to itself: what is left of 100 percent is its own"
        elif len(set(sources)) < len(sources):
            message = "each submission is credited once: add up what you took from it"
        elif given > WHOLE_PERCENT:
            message = f"the credits add up to {given} percent: give at most {WHOLE_PERCENT} in all"
        else:
            return self
        raise ValueError(message)
