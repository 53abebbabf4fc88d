"""Logs and tracebacks are what a trainer says: the leaderboard shows no other bytes, and not without end."""

import hashlib
from collections.abc import Callable
from uuid import uuid4

import pytest

from services.leaderboard.api import submissions
from services.leaderboard.api.submissions import LOST_TEXT, stored_text
from shared.artefacts import Bucket, Store, log_key


def stored(trainer: Store, content: bytes, digest: str | None = None) -> str:
    key = log_key("default", uuid4(), 0, digest or hashlib.sha256(content).hexdigest())
    trainer.put_bytes(Bucket.RUNS, key, content)
    return key


@pytest.fixture
def trainer(store_of: Callable[[str], Store]) -> Store:
    return store_of("trainer-default")


@pytest.fixture
def leaderboard(store_of: Callable[[str], Store]) -> Store:
    return store_of("leaderboard")


def test_a_log_is_shown_as_text(trainer: Store, leaderboard: Store) -> None:
    assert stored_text(leaderboard, stored(trainer, b"printed \xff")) == "printed \ufffd"


def test_a_log_without_end_is_not_read_into_memory(trainer: Store, leaderboard: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions, "MAX_TEXT_BYTES", 1000)
    assert stored_text(leaderboard, stored(trainer, bytes(1001))).startswith("(not shown: it is larger")


def test_a_log_that_is_not_there_or_another_one_breaks_no_page(trainer: Store, leaderboard: Store) -> None:
    assert stored_text(leaderboard, stored(trainer, b"other bytes", "a" * 64)) == LOST_TEXT
    assert stored_text(leaderboard, log_key("default", uuid4(), 0, "b" * 64)) == LOST_TEXT
