"""What the routes share: who looks, waiting for one's own write, and event streams."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Annotated, NamedTuple

from fastapi import Header
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine

from services.leaderboard.changes import Changes
from services.leaderboard.kept_boards import KeptBoards
from services.leaderboard.live import Live
from services.leaderboard.teams import teams_of
from shared.artefacts import Store
from shared.http import Problem
from shared.http.identity import Credentials, optional_principal
from shared.settings import LeaderboardSettings
from shared.visibility import Viewer

#: A comment at least this often keeps proxies from closing a quiet stream, and finds readers who have left.
KEEP_ALIVE_S = 15.0


@dataclass(frozen=True)
class Context:
    """The parts that `main` built."""

    settings: LeaderboardSettings
    engine: Engine
    store: Store
    changes: Changes
    live: Live

    @property
    def viewer(self) -> Callable[[Credentials], Viewer]:
        """A dependency: who looks; nobody without a token, 401 with a wrong one."""
        principal = optional_principal(self.engine)

        def dependency(credentials: Credentials) -> Viewer:
            person = principal(credentials)
            if person is None:
                return Viewer()
            with self.engine.connect() as connection:
                return Viewer(person.user_id, teams_of(connection, person.user_id), person.administrator)

        return dependency

    async def looking(self, credentials: Credentials) -> Viewer:
        """A dependency as `viewer`, which takes a thread only for who has a token."""
        return Viewer() if credentials is None else await asyncio.to_thread(self.viewer, credentials)

    @cached_property
    def boards(self) -> KeptBoards:
        """The boards in memory."""
        return KeptBoards(self.engine, self.changes)

    async def wait_for_position(
        self,
        palio_position: Annotated[
            int | None, Header(ge=0, le=2**63 - 1, description="Wait until this position, of a write of yours, is in the answer.")
        ] = None,
    ) -> None:
        """A dependency: wait, bounded, for the position that the request names."""
        if palio_position is None:
            return
        if not await self.changes.wait_for(palio_position, self.settings.read_wait_s):
            detail = f"Position {palio_position} is not in the read models yet. Try again in a moment."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not-there-yet", detail, headers={"Retry-After": "1"})


class Message(NamedTuple):
    """A server-sent event: its name, its data, one line of JSON, and an id for who may come back."""

    name: str
    data: str
    id: str | None = None


def event_stream(messages: AsyncIterator[Message]) -> StreamingResponse:
    """The messages as server-sent events."""

    async def body() -> AsyncIterator[str]:
        pending: asyncio.Task[Message] | None = None
        try:
            while True:
                pending = pending or asyncio.ensure_future(anext(messages))
                done, _ = await asyncio.wait({pending}, timeout=KEEP_ALIVE_S)
                if not done:
                    yield ": still here\n\n"
                    continue
                try:
                    message = pending.result()
                except StopAsyncIteration:
                    return
                pending = None
                event_id = "" if message.id is None else f"id: {message.id}\n"
                yield f"event: {message.name}\n{event_id}data: {message.data}\n\n"
        finally:
            if pending is not None:
                pending.cancel()

    return StreamingResponse(body(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
