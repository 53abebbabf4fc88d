"""Boards out of memory are what the database would say."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from services.leaderboard.api import Context
from services.leaderboard.api.boards import page_of, read_board
from services.leaderboard.boards import Board
from services.leaderboard.kept_boards import KeptBoards
from services.leaderboard.moments import moment_of
from shared.http import Problem
from shared.visibility import Phase
from tests.support.histories import CHALLENGE, History
from tests.support.statements import statements


def check_all(context: Context) -> int:
    """Compare every board out of memory with what the database says; the number of rows of all."""
    history_end = "SELECT position FROM ledger.head"
    kept = context.boards.read(CHALLENGE)
    with context.engine.connect() as connection:
        now = moment_of(connection, str(connection.exec_driver_sql(history_end).scalar_one()))
        for board in Board:
            anew = read_board(connection, kept.challenge, board, now)
            assert page_of(kept, board).model_dump(exclude={"position"}) == anew.model_dump(exclude={"position"})
    return sum(page_of(kept, board).n_rows for board in Board)


def test_whatever_happens_they_are_what_the_database_says(history: History, context: Context) -> None:
    history.catch_up()
    assert check_all(context) == 0
    first, second = history.person(), history.person()
    happenings: list[Callable[[], object]] = [
        lambda: history.scored(first, 0.5, 0.9, (0.4, 0.6)),
        lambda: history.scored(second, 0.7, 0.1, (0.6, 0.8)),
        lambda: history.submitted(first),
        lambda: history.scored(first, None),
        lambda: history.combine([0, 1], [1, 1]),
        lambda: history.withdraw(history.submissions[2]),
        lambda: history.scored(second, float("-inf"), 0.5),
        lambda: history.scored(first, 0.6, 0.6, (0.6, 0.6)),
    ]
    for happens in happenings:
        happens()
        history.catch_up()
        page = page_of(context.boards.read(CHALLENGE), Board.PUBLIC)
        check_all(context)
        assert page is page_of(context.boards.read(CHALLENGE), Board.PUBLIC), "nothing is made anew that is what it was"
    assert check_all(context) == 14
    with pytest.raises(Problem, match="no challenge nowhere"):
        context.boards.read("nowhere")


async def test_what_is_at_hand_is_what_nobody_has_heard_to_be_otherwise(history: History, context: Context) -> None:
    history.scored(history.person())
    history.catch_up()
    context.boards.read(CHALLENGE)
    assert context.boards.at_hand(CHALLENGE) is None, "nobody listens, so nobody knows"
    listening = asyncio.create_task(context.changes.run())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            assert await context.changes.wait_for(1, 20)
            moves = context.changes.follow()
            await anext(moves)
            kept = await asyncio.to_thread(context.boards.read, CHALLENGE)
            assert context.boards.at_hand(CHALLENGE) is kept
            await asyncio.to_thread(history.scored, history.person())
            await asyncio.to_thread(history.catch_up)
            while len(kept.submissions) < 2:
                await anext(moves)
                assert context.boards.at_hand(CHALLENGE) is None
                kept = await asyncio.to_thread(context.boards.read, CHALLENGE)
    assert len(kept.submissions) == 2
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening


def test_one_new_score_takes_as_many_statements_on_a_large_board_as_on_a_small_one(history: History, context: Context) -> None:
    person = history.person()
    counts = []
    for n_before in (1, 8):
        for _ in range(n_before):
            history.scored(person)
        history.catch_up()
        context.boards.read(CHALLENGE)
        history.scored(person)
        history.catch_up()
        with statements(context.engine) as asked:
            context.boards.read(CHALLENGE)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_a_private_board_opens_when_its_time_comes_although_nothing_is_read(
    history: History, context: Context, owner: Engine
) -> None:
    history.catch_up()
    with owner.begin() as connection:
        connection.execute(text("UPDATE leaderboard.challenges SET closes_at = clock_timestamp() + interval '1 hour'"))
    kept = context.boards.read(CHALLENGE)
    assert kept.phase is not Phase.CLOSED
    assert replace(kept, read_at_s=kept.read_at_s - 3_590).phase is not Phase.CLOSED
    assert replace(kept, read_at_s=kept.read_at_s - 3_600).phase is Phase.CLOSED


def test_the_name_of_somebody_who_is_erased_goes(history: History, context: Context, owner: Engine) -> None:
    person = history.person()
    history.scored(person)
    history.catch_up()
    boards = KeptBoards(context.engine, context.changes, names_s=0)
    assert [row.team for row in page_of(boards.read(CHALLENGE), Board.PUBLIC).rows] == [person.name]
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM vault.person_keys WHERE user_id = :id"), {"id": person.user_id})
    assert [row.team for row in page_of(boards.read(CHALLENGE), Board.PUBLIC).rows] == ["(erased)"]
