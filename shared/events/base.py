"""The base of every event type, and the registry of them.

An event is a fact in the past tense. Its type name and integer `schema_version` are what the ledger stores, never a Python
path. A class is the newest version; older data are brought up to it by `upcasters`, pure functions dict -> dict.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Service(StrEnum):
    """The services that append or consume events."""

    INGEST = "ingest"
    RELAY = "relay"
    ORCHESTRATOR = "orchestrator"
    TRAINER = "trainer"
    SCORER = "scorer"
    LEADERBOARD = "leaderboard"
    MAILER = "mailer"
    PORTAL = "portal"


class Payload(BaseModel):
    """A frozen value inside an event or a report; unknown fields are refused, since a new field is a new version."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(Payload):
    """A fact. Subclasses say who may append it, who hears of it, and which stream it belongs to."""

    schema_version: ClassVar[int] = 1
    #: From version n to n + 1, for every n below `schema_version`.
    upcasters: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
    #: The services whose database role may append this type; the ledger enforces it.
    appended_by: ClassVar[frozenset[Service]]
    #: The services whose queue is bound to this type. Empty: nobody hears of it, and the relay publishes it unroutable on purpose.
    consumed_by: ClassVar[frozenset[Service]] = frozenset()

    @property
    def stream(self) -> str:
        """The stream whose versions order this event, such as `submission-<id>`."""
        raise TypeError(f"{type(self).__name__} names no stream")

    @property
    def routing_key(self) -> str:
        """How the bus routes it: the type, and for work of a pool `<type>.<pool>`."""
        return type(self).__name__

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if hasattr(cls, "appended_by"):
            EVENT_TYPES[cls.__name__] = cls


#: Every event type by name. Filled as the modules of `shared.events` are imported.
EVENT_TYPES: dict[str, type[Event]] = {}


def services(*names: Service) -> frozenset[Service]:
    """Write `services(Service.INGEST)` where a set of services is declared."""
    return frozenset(names)
