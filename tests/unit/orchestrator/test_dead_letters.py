"""What is believed of a dead letter, and that nothing in it breaks who reads it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.dead_letters.commands import tamed
from services.orchestrator.dead_letters.letter import MAX_BODY_BYTES, MAX_HEADERS_CHARS, Arrived, dead_letter

TRAINER = "trainer-default"


def arrived(headers: Mapping[str, Any], user: str | None, body: bytes = b"{}", key: str = "key") -> Arrived:
    return Arrived(body=body, headers=headers, properties={}, routing_key=key, user=user)


def buried(queue: object, by_whom: object = TRAINER) -> dict[str, Any]:
    return {"palio-queue": queue, "palio-reason": "nonsense", "palio-routing-key": "default.started", "palio-user": by_whom}


def given_up(queue: object, reason: str = "delivery_limit") -> dict[str, Any]:
    return {"x-death": [{"queue": queue, "reason": reason, "count": 1}]}


def test_what_a_consumer_of_ours_says_is_believed() -> None:
    letter = dead_letter(arrived(buried("orchestrator.reports"), "orchestrator"))
    assert (letter.queue, letter.sender, letter.routing_key, letter.reason) == (
        "orchestrator.reports",
        TRAINER,
        "default.started",
        "nonsense",
    )


@pytest.mark.parametrize(
    ("user", "queue"), [("relay", "scorer.events"), ("relay", "trainer.default"), (TRAINER, "orchestrator.reports")]
)
def test_what_the_broker_gave_up_by_itself_names_its_queue_and_reason(user: str, queue: str) -> None:
    letter = dead_letter(arrived(given_up(queue), user))
    assert (letter.queue, letter.sender, letter.routing_key) == (queue, user, "key")
    assert letter.reason.startswith("delivery_limit")


def test_a_trainer_may_bury_what_was_in_its_own_queue() -> None:
    letter = dead_letter(arrived(buried("trainer.default", "relay"), TRAINER))
    assert (letter.queue, letter.sender) == ("trainer.default", "relay")


@pytest.mark.parametrize("headers", [buried("scorer.events", "relay"), buried("trainer.gpu", "relay"), given_up("scorer.events")])
@pytest.mark.parametrize("user", [TRAINER, None, "stranger"])
def test_what_a_trainer_claims_of_others_queues_is_not_believed(headers: dict[str, Any], user: str | None) -> None:
    assert dead_letter(arrived(headers, user)).queue is None


@pytest.mark.parametrize("user", [None, "stranger"])
@pytest.mark.parametrize("headers", [buried("trainer.default"), buried("orchestrator.reports"), given_up("orchestrator.reports")])
def test_nobody_is_not_believed_at_all(headers: dict[str, Any], user: str | None) -> None:
    letter = dead_letter(arrived(headers, user))
    assert (letter.queue, letter.sender) == (None, None)


def test_no_trainer_speaks_in_another_ones_name() -> None:
    assert dead_letter(arrived(given_up("orchestrator.reports") | {"palio-user": "trainer-gpu"}, TRAINER)).sender == TRAINER


def test_the_same_message_is_the_same_letter_whatever_it_died_of() -> None:
    one = dead_letter(arrived(buried("orchestrator.reports"), "orchestrator"))
    again = dead_letter(arrived(buried("orchestrator.reports") | {"palio-reason": "something else"}, "orchestrator"))
    assert one.id == again.id
    assert one.id != dead_letter(arrived(buried("scorer.events"), "orchestrator")).id
    assert one.id != dead_letter(arrived(buried("orchestrator.reports"), "orchestrator", body=b"[]")).id


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.just(Decimal("1.5"))
    | st.just(datetime(2026, 11, 1, tzinfo=UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
known_names = st.sampled_from(["x-death", "palio-queue", "palio-reason", "palio-user", "palio-routing-key"]) | st.text()


@given(
    headers=st.dictionaries(known_names, values, max_size=5),
    user=st.none() | st.sampled_from(["relay", "orchestrator", TRAINER, "trainer-"]) | st.text(),
    body=st.binary(),
    key=st.text(),
)
def test_whatever_a_message_holds_it_is_a_letter_that_the_database_takes(
    headers: dict[str, Any], user: str | None, body: bytes, key: str
) -> None:
    letter = dead_letter(arrived(headers, user, body, key))
    json.loads(letter.headers)
    assert letter.headers.isascii()
    for text in (letter.reason, letter.routing_key, letter.queue or "", letter.sender or ""):
        assert "\0" not in text
        text.encode()


def test_what_is_too_large_is_cut_and_says_so() -> None:
    letter = dead_letter(arrived({"a": "x" * 200_000}, None, body=b"x" * (MAX_BODY_BYTES + 1)))
    assert (len(letter.body), letter.body_bytes) == (MAX_BODY_BYTES, MAX_BODY_BYTES + 1)
    assert len(letter.headers) <= MAX_HEADERS_CHARS


def test_headers_too_deep_to_be_written_are_named_so() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert "unreadable" in dead_letter(arrived(deep, None)).headers


def test_what_a_stranger_wrote_can_not_move_the_terminals_cursor() -> None:
    assert tamed("a\x1b[2Jb\u202ec\td\n") == "a\\u001b[2Jb\\u202ec\td\n"
