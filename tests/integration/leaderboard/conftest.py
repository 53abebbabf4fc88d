"""The read API in this process, on a real ledger; its read model is moved by the tests."""

from collections.abc import Callable
from contextlib import nullcontext

import httpx
import pytest
from sqlalchemy import Engine

from services.leaderboard.api import Context, make_app
from services.leaderboard.changes import Changes
from services.leaderboard.live import Live
from services.leaderboard.projection import READ_MODEL
from shared.artefacts import Store
from shared.settings import LeaderboardSettings
from shared.telemetry import Readiness
from tests.support.histories import History


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> History:
    return History(engine_of, store_of("ingest"))


@pytest.fixture
def live() -> Live:
    return Live()


@pytest.fixture
def context(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], history: History, live: Live) -> Context:
    engine = engine_of("leaderboard")
    changes = Changes(engine, history.projection(READ_MODEL))
    return Context(LeaderboardSettings.model_construct(read_wait_s=1.0), engine, store_of("leaderboard"), changes, live)


@pytest.fixture
def client(context: Context) -> httpx.AsyncClient:
    app = make_app(context, Readiness(), lambda _app: nullcontext())  # type: ignore[arg-type, return-value]
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://leaderboard")
