"""Events: goldens, envelope, versions, and the page made from them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import EVENT_TYPES, Event, Metadata, NewerVersionError, RecordedEvent, UnknownTypeError
from shared.events.document import document

GOLDEN = Path(__file__).parents[2] / "golden/events"
ROOT = Path(__file__).parents[3]


def recorded(type_name: str, schema_version: int, data: dict[str, Any], position: int = 7) -> RecordedEvent:
    return RecordedEvent(
        position=position,
        epoch=1,
        id=uuid4(),
        stream="stream",
        version=1,
        type=type_name,
        schema_version=schema_version,
        data=json.dumps(data),
        metadata=Metadata(correlation_id="request"),
        recorded_at=datetime(2026, 11, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_version_of_every_event_has_a_golden_file_that_still_reads(name: str) -> None:
    event_type = EVENT_TYPES[name]
    for version in range(1, event_type.schema_version + 1):
        data = json.loads((GOLDEN / f"{name}.v{version}.json").read_text())
        event = recorded(name, version, data).event()
        assert type(event) is event_type
        if version == event_type.schema_version:
            assert event.model_dump(mode="json") == data


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_event_names_its_stream_and_is_appended_by_somebody(name: str) -> None:
    data = json.loads((GOLDEN / f"{name}.v{EVENT_TYPES[name].schema_version}.json").read_text())
    event = EVENT_TYPES[name].model_validate(data)
    assert "-" in event.stream
    assert event.appended_by
    assert event.routing_key.split(".")[0] == name


def test_no_golden_file_is_of_an_event_that_is_gone() -> None:
    assert {path.name.split(".")[0] for path in GOLDEN.iterdir()} == set(EVENT_TYPES)


def test_an_unknown_type_is_told_from_a_newer_version() -> None:
    with pytest.raises(UnknownTypeError):
        recorded("TeamDissolved", 1, {}).event()
    with pytest.raises(NewerVersionError, match="upgrade this service"):
        recorded("JoinApproved", 99, {}).event()


def test_old_data_are_brought_up_to_the_newest_version() -> None:
    class Renamed(Event):
        """An event whose field changed its name twice."""

        schema_version = 3
        upcasters: ClassVar = {1: lambda data: {"second": data["first"]}, 2: lambda data: {"third": data["second"]}}
        appended_by = frozenset()
        third: int

    try:
        assert recorded("Renamed", 1, {"first": 5}).event() == Renamed(third=5)
        assert recorded("Renamed", 2, {"second": 5}).event() == Renamed(third=5)
    finally:
        del EVENT_TYPES["Renamed"]


@given(
    data=st.dictionaries(st.text(), st.text() | st.integers() | st.none()),
    correlation_id=st.text(),
    position=st.integers(min_value=1, max_value=2**62),
)
def test_an_event_survives_the_wire(data: dict[str, Any], correlation_id: str, position: int) -> None:
    sent = RecordedEvent(
        position=position,
        epoch=2,
        id=uuid4(),
        stream="stream",
        version=3,
        type="Anything",
        schema_version=1,
        data=json.dumps(data, separators=(",", ":")),
        metadata=Metadata(correlation_id=correlation_id, causation_id=uuid4(), traceparent="00-trace"),
        recorded_at=datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC),
    )
    assert RecordedEvent.from_cloudevent(sent.to_cloudevent()) == sent


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"id": 1}', b"\xff", b'{"specversion":"1.0","id":"x"}'])
def test_what_is_no_event_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (the JSON library words some of them)
        RecordedEvent.from_cloudevent(body)


def test_the_page_about_events_is_up_to_date() -> None:
    assert (ROOT / "docs/events.md").read_text() == document(), "run script/docs"
