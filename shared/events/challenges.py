"""Challenges: a problem, for a time, under rules; and who takes part."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from shared.events.base import Event, Payload, Service, services


class FoldLimits(Payload):
    """What one fold of a submission may use."""

    time_limit_s: float = Field(300, gt=0, le=86_400)
    memory_limit_bytes: int = Field(4 * 2**30, ge=128 * 2**20)
    output_limit_bytes: int = Field(512 * 2**20, ge=2**20)
    log_limit_bytes: int = Field(1 * 2**20, ge=2**10)
    max_processes: int = Field(128, ge=1)


class LogPolicy(StrEnum):
    """What a team sees of what its submissions print: every training label is inside some fold, so a log can say them."""

    FULL = "full"
    OWN_TRACEBACK = "own_traceback"
    NONE = "none"


#: What a team sees at most of all its logs in one challenge, unless the challenge says otherwise.
TEAM_LOG_BYTES = 64 * 2**20


#: Members that an ensemble has at most, unless the challenge says otherwise.
ENSEMBLE_SIZE = 80


class ChallengeCreated(Event):
    """A challenge exists under these rules."""

    schema_version = 3
    upcasters: ClassVar = {
        1: lambda data: {**data, "log_policy": LogPolicy.FULL, "team_log_bytes": TEAM_LOG_BYTES},
        2: lambda data: {**data, "ensemble_size": ENSEMBLE_SIZE, "ensemble_min_improvement": 0.0},
    }
    appended_by = services(Service.INGEST)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)

    challenge_id: str
    title: str
    problem_id: str
    problem_version: int = Field(ge=1)
    organiser_id: UUID
    opens_at: AwareDatetime
    code_opens_at: AwareDatetime
    closes_at: AwareDatetime
    pool: str
    limits: FoldLimits
    log_policy: LogPolicy
    #: Bytes of logs that one team is shown in all, in the order in which they were recorded.
    team_log_bytes: int = Field(ge=0)
    #: How often submissions are picked for one fold's ensemble at most.
    ensemble_size: int = Field(ENSEMBLE_SIZE, ge=1, le=1000)
    #: By how much, in the official metric's unit, one more has to improve it.
    ensemble_min_improvement: float = Field(0.0, ge=0, allow_inf_nan=False)

    @property
    def stream(self) -> str:
        return f"challenge-{self.challenge_id}"

    @model_validator(mode="after")
    def _in_order(self) -> "ChallengeCreated":
        if not self.opens_at <= self.code_opens_at <= self.closes_at:
            message = "a challenge opens first, then its code, then it closes: opens_at <= code_opens_at <= closes_at"
            raise ValueError(message)
        return self

    def takes_submissions_at(self, moment: datetime) -> bool:
        """Whether a submission recorded at this moment is in time."""
        return self.opens_at <= moment < self.closes_at


class ChallengeMoment(Event):
    """A time of a challenge's rules has come. Recorded once, never before that time by the ledger's clock, and in this order."""

    challenge_id: str
    #: The time that the rules named.
    due_at: AwareDatetime

    @property
    def stream(self) -> str:
        return f"challenge-{self.challenge_id}"


class ChallengeOpened(ChallengeMoment):
    """Submissions are taken."""

    appended_by = services(Service.ORCHESTRATOR)


class CodeOpened(ChallengeMoment):
    """Teams may read each other's code."""

    appended_by = services(Service.ORCHESTRATOR)


class ChallengeClosed(ChallengeMoment):
    """No submission that is recorded after this one is in time. The hash of its own row in the ledger seals all before it."""

    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.LEADERBOARD, Service.MAILER)


class JoinApproved(Event):
    """A team takes part in a challenge."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.LEADERBOARD)

    challenge_id: str
    team_id: UUID

    @property
    def stream(self) -> str:
        return f"join-{self.challenge_id}-{self.team_id}"
