"""A message that never comes delays a board, and no more."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from services.leaderboard.projection import READ_MODEL
from services.leaderboard.submissions import submissions_on_boards
from shared.bus.doorbell import Doorbell
from shared.ledger import head_position
from tests.support.histories import CHALLENGE, History
from tests.support.waiting import wait_for


@pytest.fixture
async def moves(history: History) -> AsyncIterator[list[None]]:
    """A board that no message ever reaches; one entry for each time that it took something in."""
    moves: list[None] = []
    doorbell = Doorbell(history.projection(READ_MODEL), lambda: moves.append(None))
    looking = asyncio.create_task(doorbell.look_every(0.02))
    yield moves
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


async def test_a_score_comes_to_the_board_though_no_message_ever_does(
    history: History, moves: list[None], engine_of: Callable[[str], Engine]
) -> None:
    submission_id = history.submit(history.person())
    history.release()
    history.trained(history.submissions[-1])
    history.score(history.submissions[-1])

    def standing() -> list[object]:
        with engine_of("leaderboard").connect() as connection:
            return [each.submission_id for each in submissions_on_boards(connection, CHALLENGE, head_position(connection))]

    assert await wait_for(standing, "the score on the board") == [submission_id]
    assert moves, "and whoever waits for it is told"


async def test_a_look_that_fails_is_not_the_last() -> None:
    """The projection fails as PostgreSQL makes it, and as a defect does, before it works again."""
    looks = iter([OperationalError("", {}, Exception("away")), ValueError("a defect"), 7])
    seen: list[int] = []

    class Failing:
        """What a doorbell asks of a projection."""

        def catch_up(self) -> int:
            look = next(looks, 7)
            if isinstance(look, Exception):
                raise look
            seen.append(look)
            return look

    doorbell = Doorbell(Failing())  # type: ignore[arg-type]
    looking = asyncio.create_task(doorbell.look_every(0.01))
    try:
        await wait_for(lambda: seen, "the look after those that failed")
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
