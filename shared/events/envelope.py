"""The envelope: what is known of an event besides its own data, in the ledger and on the wire.

On the wire an event is CloudEvents 1.0 in structured JSON, with the extensions `position`, `epoch`, `correlationid`,
`causationid` and `traceparent`.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.events.base import EVENT_TYPES, Event, Payload

SOURCE = "urn:palio:ledger"
CONTENT_TYPE = "application/cloudevents+json"


class UnknownTypeError(Exception):
    """An event of a type this release does not know: skip it, and count it."""


class NewerVersionError(Exception):
    """A known type in a version newer than this release: stop here, since skipping would lose it. Upgrade this service."""


class Metadata(Payload):
    """Why an event was recorded."""

    #: The submission, or the request, that everything caused by it shares.
    correlation_id: str
    #: The event that caused this one, or None for a person's request.
    causation_id: UUID | None = None
    #: The person who caused it, or None.
    actor_id: UUID | None = None
    traceparent: str | None = None

    def caused_by(self, event: "RecordedEvent") -> "Metadata":
        """The metadata of an event that follows from another one."""
        return self.model_copy(update={"causation_id": event.id})


@dataclass(frozen=True)
class RecordedEvent:
    """An event as the ledger holds it. `data` is the JSON that was written, in the schema version it was written in."""

    position: int
    epoch: int
    id: UUID
    stream: str
    version: int
    type: str
    schema_version: int
    data: str
    metadata: Metadata
    recorded_at: datetime

    def event(self) -> Event:
        """The typed event, brought up to the newest version.

        Raises `UnknownTypeError` and `NewerVersionError`.
        """
        if self.type not in EVENT_TYPES:
            raise UnknownTypeError(self.type)
        event_type = EVENT_TYPES[self.type]
        if self.schema_version > event_type.schema_version:
            message = (
                f"{self.type} at position {self.position} has schema version {self.schema_version}; "
                f"this release knows {event_type.schema_version}: upgrade this service"
            )
            raise NewerVersionError(message)
        if self.schema_version == event_type.schema_version:
            # Seven times as fast as by way of a dict, and a rebuild does this for every event that there is.
            return event_type.model_validate_json(self.data)
        data = json.loads(self.data)
        for version in range(self.schema_version, event_type.schema_version):
            data = event_type.upcasters[version](data)
        return event_type.model_validate(data)

    def to_cloudevent(self) -> bytes:
        """The event as it goes over the bus."""
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(self.id),
            "source": SOURCE,
            "type": self.type,
            "subject": self.stream,
            "time": self.recorded_at.isoformat(),
            "datacontenttype": "application/json",
            "position": self.position,
            "epoch": self.epoch,
            "streamversion": self.version,
            "schemaversion": self.schema_version,
            "correlationid": self.metadata.correlation_id,
            "causationid": self.metadata.causation_id and str(self.metadata.causation_id),
            "actorid": self.metadata.actor_id and str(self.metadata.actor_id),
            "traceparent": self.metadata.traceparent,
            "data": json.loads(self.data),
        }
        present = {name: value for name, value in attributes.items() if value is not None}
        return json.dumps(present, separators=(",", ":")).encode()

    @classmethod
    def from_cloudevent(cls, body: bytes) -> "RecordedEvent":
        """Read what `to_cloudevent` wrote. Raises `ValueError` for anything else."""
        try:
            attributes = json.loads(body)
            return cls(
                position=attributes["position"],
                epoch=attributes["epoch"],
                id=UUID(attributes["id"]),
                stream=attributes["subject"],
                version=attributes["streamversion"],
                type=attributes["type"],
                schema_version=attributes["schemaversion"],
                data=json.dumps(attributes["data"], separators=(",", ":")),
                metadata=Metadata(
                    correlation_id=attributes["correlationid"],
                    causation_id=attributes.get("causationid"),
                    actor_id=attributes.get("actorid"),
                    traceparent=attributes.get("traceparent"),
                ),
                recorded_at=datetime.fromisoformat(attributes["time"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            message = f"not an event of this platform: {error}"
            raise ValueError(message) from error
