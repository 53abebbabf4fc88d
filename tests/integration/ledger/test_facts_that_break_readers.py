"""Facts that JSON can say and a reader can't hold: kept out of the ledger, or taken in all the same, and told if neither."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from services.leaderboard.projection import HANDLERS
from shared.events import FoldTrained, FoldUsage, Metadata, Outcome, RecordedEvent, TeamCreated, TrainingFinished
from shared.ledger import NewEvent, Projection, append, head_position
from shared.telemetry import Readiness

METADATA = Metadata(correlation_id="a test")


def test_an_event_that_can_not_be_read_back_is_not_appended(engine_of: Callable[[str], Engine]) -> None:
    usage = FoldUsage.model_construct(train_time_s=float("inf"), valid_time_s=0, test_time_s=0, peak_memory_bytes=1)
    event = FoldTrained.model_construct(
        run_id=uuid4(), submission_id=uuid4(), attempt=1, fold=0, predictions_digest="a", log_digest="b", usage=usage
    )
    engine = engine_of("orchestrator")
    with engine.connect() as connection:
        before = head_position(connection)
    with pytest.raises(ValueError, match="train_time_s"), engine.begin() as connection:
        append(connection, [NewEvent(event, METADATA)])
    with engine.connect() as connection:
        assert head_position(connection) == before


def test_a_nul_in_a_reason_does_not_stop_the_boards(engine_of: Callable[[str], Engine]) -> None:
    finished = TrainingFinished(
        run_id=uuid4(),
        submission_id=uuid4(),
        attempt=1,
        outcome=Outcome.SYSTEM_ERROR,
        reason="a\0b",
        fold=None,
        traceback_digest=None,
        log_digest=None,
        pool="default",
    )
    with engine_of("orchestrator").begin() as connection:
        position = append(connection, [NewEvent(finished, METADATA)]).position
    projection = Projection("leaderboard", engine_of("leaderboard"), HANDLERS, Readiness())
    assert projection.catch_up() >= position


def test_a_projection_that_stands_still_says_so_until_it_moves(engine_of: Callable[[str], Engine]) -> None:
    readiness = Readiness()
    broken = True

    def when_team_created(connection: Connection, _event: TeamCreated, _recorded: RecordedEvent) -> None:
        if broken:
            connection.execute(text("SELECT 1 / 0"))

    engine = engine_of("leaderboard")
    projection = Projection("leaderboard", engine, {TeamCreated: when_team_created}, readiness)
    team = TeamCreated(team_id=uuid4(), name="x", members=(uuid4(),))
    with engine_of("ingest").begin() as connection:
        append(connection, [NewEvent(team, METADATA)])
    with pytest.raises(Exception, match="division by zero"):
        projection.catch_up()
    assert "stands still" in str(readiness.obstacles())
    broken = False
    projection.catch_up()
    assert readiness.obstacles() == {}
