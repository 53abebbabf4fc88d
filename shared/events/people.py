"""Users and teams. Names and addresses are here only sealed with the person's key (`shared.ledger.personal`)."""

from typing import ClassVar
from uuid import UUID

from shared.events.base import Event, Service, services


class UserRegistered(Event):
    """A person has an account."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.MAILER)

    user_id: UUID
    #: Sealed with the person's key.
    name: str
    #: Sealed with the person's key.
    email: str

    @property
    def stream(self) -> str:
        return f"user-{self.user_id}"


class AdministratorAppointed(Event):
    """A person may administer the platform."""

    appended_by = services(Service.INGEST)
    consumed_by = services()

    user_id: UUID

    @property
    def stream(self) -> str:
        return f"user-{self.user_id}"


class TeamCreated(Event):
    """A team exists. Everyone is a team of one at first."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)
    #: `name` of a one-person team is sealed with that person's key, since it is a person's name.
    ONE_PERSON: ClassVar[int] = 1

    team_id: UUID
    name: str
    members: tuple[UUID, ...]

    @property
    def stream(self) -> str:
        return f"team-{self.team_id}"

    @property
    def name_is_sealed(self) -> bool:
        """Whether `name` is personal data, sealed with the only member's key."""
        return len(self.members) == self.ONE_PERSON
