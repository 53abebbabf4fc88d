"""What can be known of a platform at one moment. Whatever could not be found out is None, or missing, and stands in `away`."""

from dataclasses import dataclass, field

from shared.events import PoolState


@dataclass(frozen=True)
class ServiceFact:
    """A service: whether its process answers, whether it can work, and what is in the way, in its own words."""

    name: str
    alive: bool
    ready: bool
    words: str


@dataclass(frozen=True)
class Lag:
    """How far something is behind the ledger: events, and the age of the oldest of them in seconds."""

    name: str
    events: int
    seconds: float


@dataclass(frozen=True)
class QueueFact:
    """A queue of the broker: messages that nobody has taken, consumers, and seconds that the oldest has waited, where known."""

    name: str
    ready: int
    consumers: int
    age_s: float | None


@dataclass(frozen=True)
class PoolFact:
    """A pool of trainers as the orchestrator sees it."""

    name: str
    state: PoolState
    reason: str
    backlog: int
    under_way: int
    oldest_wait_s: float
    trainers: int


@dataclass(frozen=True)
class Unfinished:
    """A submission whose state is not final, and what it waits for, in words."""

    submission_id: str
    challenge: str
    state: str
    pool: str
    age_s: float
    waits_for: str


@dataclass(frozen=True)
class Silence:
    """For how long nothing has accounted for a submission, what that waits for, and for how long it may be so, in seconds."""

    oldest_s: float
    bound_s: float
    submission_id: str | None
    waits_for: str | None


@dataclass(frozen=True)
class DeadLetters:
    """How many are kept, by the queue that they were in, and the age of the oldest in seconds."""

    by_queue: dict[str, int]
    oldest_s: float

    @property
    def number(self) -> int:
        """How many there are."""
        return sum(self.by_queue.values())


@dataclass(frozen=True)
class Disk:
    """Free space where a path is."""

    path: str
    free_bytes: int


@dataclass(frozen=True)
class Facts:
    """Everything that was found out."""

    services: tuple[ServiceFact, ...] = ()
    #: Servers, and pages of services, that do not answer, with what was seen of it.
    away: dict[str, str] = field(default_factory=dict)
    relay: Lag | None = None
    projections: tuple[Lag, ...] = ()
    queues: tuple[QueueFact, ...] = ()
    pools: tuple[PoolFact, ...] = ()
    #: The oldest one.
    unfinished: Unfinished | None = None
    silence: Silence | None = None
    dead_letters: DeadLetters | None = None
    #: Why no mail leaves, in an operator's words; None while mails are sent.
    mail_off: str | None = None
    disks: tuple[Disk, ...] = ()
