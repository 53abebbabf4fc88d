"""Messages of a ledger that is no more, as a restored backup leaves them in queues: nothing follows from them, and none blocks."""

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from services.leaderboard.projection import READ_MODEL
from shared.bus.consumer import ForeignEventError, RejectedError
from shared.bus.doorbell import Doorbell
from shared.bus.received import read_event
from shared.events import Metadata, RecordedEvent
from shared.ledger import NewEvent, Projection, append, read_after
from shared.telemetry import Readiness
from tests.support.goldens import golden


def message_of(recorded: RecordedEvent) -> SimpleNamespace:
    """What the loop hands over."""
    return SimpleNamespace(body=recorded.to_cloudevent())


@pytest.fixture
def held(engine_of: Callable[[str], Engine]) -> RecordedEvent:
    """An event that the ledger holds."""
    with engine_of("ingest").begin() as connection:
        append(connection, [NewEvent(golden("ChallengeCreated"), Metadata(correlation_id="a test"))])
    with engine_of("ingest").connect() as connection:
        return read_after(connection, 0, 10)[-1]


async def test_an_event_that_the_ledger_holds_is_believed_whatever_its_epoch(
    held: RecordedEvent, engine_of: Callable[[str], Engine]
) -> None:
    for epoch in (0, 1, 99):
        said = dataclasses.replace(held, epoch=epoch)
        assert await read_event(engine_of("scorer"), message_of(said)) == said  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"position": 10**9}, {"id": uuid4()}, {"position": 2, "id": uuid4()}])
async def test_one_that_stands_elsewhere_or_nowhere_is_not(
    held: RecordedEvent, engine_of: Callable[[str], Engine], change: dict[str, object]
) -> None:
    said = dataclasses.replace(held, **change)  # type: ignore[arg-type]
    with pytest.raises(ForeignEventError, match="holds no event"):
        await read_event(engine_of("scorer"), message_of(said))  # type: ignore[arg-type]


async def test_what_is_no_event_is_refused(engine_of: Callable[[str], Engine]) -> None:
    with pytest.raises(RejectedError):
        await read_event(engine_of("scorer"), SimpleNamespace(body=b"{}"))  # type: ignore[arg-type]


async def test_a_doorbell_that_is_rung_from_beyond_the_ledgers_end_looks_and_says_so(
    held: RecordedEvent, engine_of: Callable[[str], Engine]
) -> None:
    projection = Projection("leaderboard", engine_of("leaderboard"), READ_MODEL.handlers, Readiness())
    doorbell = Doorbell(projection)
    with pytest.raises(ForeignEventError):
        await doorbell.handle(message_of(dataclasses.replace(held, position=10**9)))  # type: ignore[arg-type]
    assert projection.position() == held.position
    await doorbell.handle(message_of(held))  # type: ignore[arg-type]
