"""A board as it moves: the whole of it once, and then what changed, for those who may see it then."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi.security import HTTPAuthorizationCredentials
from sqlalchemy import Engine, text

from services.ingest.accounts import Account, appoint_administrator, issue_token
from services.leaderboard.api import Context
from services.leaderboard.api.board_stream import follow_board
from services.leaderboard.api.context import Message
from services.leaderboard.boards import Board
from tests.support.histories import CHALLENGE, History
from tests.unit.leaderboard.test_board_changes import applied

STREAM = f"/v1/challenges/{CHALLENGE}/leaderboards/stream"


@pytest.fixture
async def moving(context: Context) -> AsyncIterator[Context]:
    """Its changes are listened to."""
    listening = asyncio.create_task(context.changes.run())
    yield context
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening


async def the_next(events: AsyncIterator[Message]) -> tuple[str, Any, str | None]:
    async with asyncio.timeout(20):
        event = await anext(events)
    return event.name, json.loads(event.data), event.id


async def scored(history: History, account: Account, value: float) -> str:
    submission = await asyncio.to_thread(history.scored, account, value)
    await asyncio.to_thread(history.catch_up)
    return str(submission.submission_id)


async def test_the_board_comes_first_and_then_only_what_changed(
    client: httpx.AsyncClient, history: History, moving: Context
) -> None:
    person = history.person()
    first = await scored(history, person, 0.5)
    events = follow_board(moving, CHALLENGE, Board.PUBLIC, None)
    name, board, _ = await the_next(events)
    assert (name, [row["submission_id"] for row in board["rows"]]) == ("board", [first])
    better = await scored(history, person, 0.7)
    name, change, _ = await the_next(events)
    assert name == "change"
    assert [(each["place"], each["row"]["submission_id"]) for each in change["rows"]] == [(1, better)]
    now = (await client.get(STREAM.replace("stream", "public"))).json()
    assert applied(board["rows"], change) == now["rows"]
    assert (change["position"], change["n_rows"]) == (now["position"], now["n_rows"])


async def test_who_comes_back_is_sent_what_changed_meanwhile(history: History, moving: Context) -> None:
    person = history.person()
    await scored(history, person, 0.5)
    _, board, event_id = await the_next(follow_board(moving, CHALLENGE, Board.PUBLIC, None))
    worse = await scored(history, person, 0.3)
    name, change, newer_id = await the_next(follow_board(moving, CHALLENGE, Board.PUBLIC, None, event_id))
    assert (name, [row["submission_id"] for row in applied(board["rows"], change)][1:]) == ("change", [worse])
    up_to_date = follow_board(moving, CHALLENGE, Board.PUBLIC, None, newer_id)
    best = await scored_while_waiting(history, person, up_to_date)
    assert best == ("change", 1), "nothing was sent before it"


async def scored_while_waiting(history: History, person: Account, events: AsyncIterator[Message]) -> tuple[str, int]:
    """What comes first of a stream, and the place that it speaks of, when a better score comes while it is open."""
    waiting = asyncio.ensure_future(the_next(events))
    await scored(history, person, 0.9)
    name, change, _ = await waiting
    return name, change["rows"][0]["place"]


@pytest.mark.parametrize(
    "event_id", ["", "x", "1", "0-" + "0" * 32, "9" * 18 + "-" + "0" * 32, "1-" + "é" * 32, "-1-" + "0" * 32]
)
async def test_an_id_that_nobody_sent_is_answered_with_the_board(history: History, moving: Context, event_id: str) -> None:
    await scored(history, history.person(), 0.5)
    name, board, _ = await the_next(follow_board(moving, CHALLENGE, Board.PUBLIC, None, event_id))
    assert (name, len(board["rows"])) == ("board", 1)


@pytest.mark.parametrize("board", ["private", "private-competition"])
async def test_the_stream_of_a_private_board_has_its_time(client: httpx.AsyncClient, history: History, board: str) -> None:
    history.catch_up()
    refused = await client.get(STREAM, params={"board": board}, headers={"Last-Event-ID": "1-" + "0" * 32})
    assert (refused.status_code, refused.json()["type"].endswith("private-board")) == (403, True)
    assert (await client.get(STREAM, params={"board": "secret"})).status_code == 422
    assert (await client.get(STREAM.replace(CHALLENGE, "nowhere"))).status_code == 404


async def test_a_private_stream_ends_with_the_right_to_see_it(
    history: History, moving: Context, owner: Engine, engine_of: Callable[[str], Engine]
) -> None:
    person = history.person()
    await scored(history, person, 0.5)
    appoint_administrator(engine_of("ingest"), person.name)
    token = issue_token(engine_of("ingest"), person.name, "a password", valid_days=1).token
    credentials = HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)
    events = follow_board(moving, CHALLENGE, Board.PRIVATE, credentials)
    _, board, _ = await the_next(events)
    assert "test_scores" in board["rows"][0]
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM vault.tokens"))
    await scored(history, person, 0.9)
    with pytest.raises(StopAsyncIteration):
        await the_next(events)
