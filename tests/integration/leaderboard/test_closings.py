"""A closed challenge shows the ledger's hash at its closing, as the chain has it."""

from collections.abc import Callable

from sqlalchemy import Engine

from services.leaderboard.api.challenges import Closing
from services.leaderboard.challenges import find_challenge, list_challenges
from services.leaderboard.projection import HANDLERS
from shared.events import ChallengeClosed
from shared.ledger import Projection, read_after
from shared.telemetry import Readiness
from tests.support.goldens import golden
from tests.support.histories import CHALLENGE, History


def test_a_closed_challenge_shows_where_the_ledger_says_so_and_that_rows_hash(
    history: History, engine_of: Callable[[str], Engine], owner: Engine
) -> None:
    history.create_challenge_that_is_over("over")
    history.time_passes()
    history.person()
    Projection("leaderboard", engine_of("leaderboard"), HANDLERS, Readiness()).catch_up()
    with engine_of("leaderboard").connect() as connection:
        closed = find_challenge(connection, "over").closed
        assert [each.closed for each in list_challenges(connection) if each.challenge_id == CHALLENGE] == [None]
        [recorded] = [each for each in read_after(connection, 0, 1000) if each.type == "ChallengeClosed"]
    assert closed is not None
    assert (closed.position, closed.recorded_at) == (recorded.position, recorded.recorded_at)
    with owner.connect() as connection:
        row = connection.exec_driver_sql(f"SELECT hash FROM ledger.events WHERE position = {recorded.position}").scalar_one()
    assert closed.hash == bytes(row).hex()
    assert Closing.model_validate(closed).hash == closed.hash


def test_a_closing_of_a_challenge_that_nobody_knows_stops_no_board(engine_of: Callable[[str], Engine], history: History) -> None:
    event = golden("ChallengeClosed")
    assert isinstance(event, ChallengeClosed)
    history.append_as("orchestrator", event)
    Projection("leaderboard", engine_of("leaderboard"), HANDLERS, Readiness()).catch_up()
