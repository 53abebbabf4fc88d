"""Where the relay goes on after a restore."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from services.relay.restored import first_owed
from shared.events import Event, Metadata, Outcome, RecordedEvent
from tests.support.goldens import golden

RUN, OTHER = UUID(int=1), UUID(int=2)


def recorded(position: int, event: Event, type_name: str | None = None) -> RecordedEvent:
    return RecordedEvent(
        position=position,
        epoch=1,
        id=uuid4(),
        stream=event.stream,
        version=1,
        type=type_name or type(event).__name__,
        schema_version=event.schema_version,
        data=event.model_dump_json(),
        metadata=Metadata(correlation_id="c"),
        recorded_at=datetime.now(UTC),
    )


def owed(*events: Event) -> int | None:
    return first_owed([recorded(position, event) for position, event in enumerate(events, start=10)])


def trained(run_id: UUID) -> Event:
    return golden("TrainingFinished").model_copy(update={"run_id": run_id, "outcome": Outcome.TRAINED})


def test_a_run_that_is_trained_and_not_scored_is_owed_its_score() -> None:
    scored = golden("ScoreComputed").model_copy(update={"run_id": RUN})
    failed = golden("ScoringFailed").model_copy(update={"run_id": OTHER})
    assert owed(trained(RUN), trained(OTHER), scored) == 11
    assert owed(trained(RUN), trained(OTHER), scored, failed) is None
    assert owed(trained(RUN).model_copy(update={"outcome": Outcome.TRAIN_ERROR})) is None


def test_a_problem_that_is_published_and_neither_prepared_nor_refused_is_owed_that() -> None:
    published = golden("ProblemPublished").model_copy(update={"problem_id": "iris", "version": 1})
    second = published.model_copy(update={"version": 2})
    prepared = golden("ProblemPrepared").model_copy(update={"problem_id": "iris", "version": 1})
    refused = golden("ProblemPreparationFailed").model_copy(update={"problem_id": "iris", "version": 2})
    assert owed(published, second, prepared) == 11
    assert owed(published, second, refused) == 10
    assert owed(published, second, prepared, refused) is None


def test_nothing_is_owed_for_what_this_release_does_not_know() -> None:
    assert first_owed([recorded(1, trained(RUN), "FromTheFuture")]) is None
