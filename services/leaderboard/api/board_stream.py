"""Route: a board as it moves, as server-sent events with only what changed."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from services.leaderboard.api.board_changes import change_between, state_of
from services.leaderboard.api.board_rows import BoardPage
from services.leaderboard.api.boards import check_sees, page_of, read_board
from services.leaderboard.api.context import Context, Message, event_stream
from services.leaderboard.boards import Board
from services.leaderboard.challenges import find_challenge
from services.leaderboard.moments import Moment
from shared.http import Problem
from shared.http.identity import Credentials
from shared.visibility import Viewer

#: `<position>-<state>`: up to where the board that was sent is known, and what it showed.
_EVENT_ID = re.compile(r"([0-9]{1,18})-([0-9a-f]{32})", re.ASCII)
#: What ends a stream that was open: the right to see the board, or the challenge itself, is no more.
_ENDINGS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


def make_router(context: Context) -> APIRouter:
    """The stream of a challenge's boards."""
    router = APIRouter(tags=["boards"])

    @router.get("/v1/challenges/{challenge_id}/leaderboards/stream", response_class=StreamingResponse)
    async def stream(
        challenge_id: str,
        credentials: Credentials,
        board: Annotated[Board, Query(description="Which one.")] = Board.PUBLIC,
        last_event_id: Annotated[str | None, Header(description="The id of the last event that you had of this board.")] = None,
    ) -> StreamingResponse:
        """Server-sent events: the board now (`event: board`), and whenever it changes, only what did (`event: change`).

        A `change` says which rows to take out and which to put in where; `rank` is the place, so rows that others push down are not
        sent. Each event has an id; a client that comes back with it in `Last-Event-ID`, as browsers do, is sent what changed since
        then, or the whole board where that is not known. Private boards have their time, as everywhere; a stream ends with the right.
        """
        # Asked first, so that an unknown challenge is a 404 and not a stream that breaks.
        await asyncio.to_thread(_shown, context, challenge_id, board, credentials)
        return event_stream(follow_board(context, challenge_id, board, credentials, last_event_id))

    return router


async def follow_board(
    context: Context, challenge_id: str, board: Board, credentials: Credentials, last_event_id: str | None = None
) -> AsyncIterator[Message]:
    """The board, and then its changes, until the one who asks may see it no more."""
    known, state = None, ""
    if last_event_id is not None:
        known, state = await asyncio.to_thread(_known_by, context, challenge_id, board, last_event_id)
    async for _ in context.changes.follow():
        try:
            shown = await asyncio.to_thread(_shown, context, challenge_id, board, credentials)
        except Problem as problem:
            if problem.status in _ENDINGS:
                return
            raise
        if shown.state != state:
            yield await asyncio.to_thread(shown.message_to, known, state)
            known, state = shown.page, shown.state


class _Shown:
    """A board as it stands, and what is sent to those who have it as it stood: worked out once, however many follow it.

    Of ten thousand rows that takes half a second: in a thread.
    """

    def __init__(self, page: BoardPage) -> None:
        self.page = page
        self.state = state_of(page)
        self._messages: dict[str, Message] = {}
        self._making = threading.Lock()

    def message_to(self, known: BoardPage | None, state: str) -> Message:
        """What makes the board that somebody knows, in this state, into this one."""
        with self._making:
            if state not in self._messages:
                change = change_between(known, self.page) if known else None
                name, data = ("board", self.page) if change is None else ("change", change)
                self._messages[state] = Message(name, data.model_dump_json(), f"{self.page.position}-{self.state}")
            return self._messages[state]


def _shown(context: Context, challenge_id: str, board: Board, credentials: Credentials) -> _Shown:
    """The board now, for who asks now: a token may have been taken back since the stream began, and a challenge closed."""
    viewer = context.viewer(credentials) if board.is_private else Viewer()
    kept = context.boards.read(challenge_id)
    check_sees(viewer, board, kept.phase)
    page, key = page_of(kept, board), ("shown", board)
    with kept.making:
        if key not in kept.made:
            kept.made[key] = _Shown(page)
        shown: _Shown = kept.made[key]
    return shown


def _known_by(context: Context, challenge_id: str, board: Board, event_id: str) -> tuple[BoardPage | None, str]:
    """The board that an event made, read again as of its position, and its state.

    None, and no state, if the id is none of ours, or that is not what was sent.

    Any instance can do so, also one that has just started. What was sent is not sent back: it is only compared with.
    """
    found = _EVENT_ID.fullmatch(event_id)
    if found is None:
        return None, ""
    with context.engine.connect() as connection:
        challenge = find_challenge(connection, challenge_id)
        page = read_board(connection, challenge, board, Moment(int(found[1]), challenge.read_at))
    # It may have been re-scored since, or a name in it erased, or the id be made up: then nobody knows what the client has.
    return (page, found[2]) if state_of(page) == found[2] else (None, "")
