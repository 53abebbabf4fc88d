"""Where the relay's place moves to, and how events are routed."""

from hypothesis import given
from hypothesis import strategies as st

from services.relay.publishing import contiguous, route
from tests.unit.events.test_events import recorded

FAILURE = ConnectionError("no confirm")


@given(st.lists(st.booleans()))
def test_the_place_moves_to_the_last_contiguous_confirm(confirmed: list[bool]) -> None:
    events = [recorded("MailSent", 1, {}, position=number) for number, _ in enumerate(confirmed)]
    safe, failure = contiguous(events, [None if each else FAILURE for each in confirmed])
    assert list(safe) == events[: confirmed.index(False) if False in confirmed else len(events)]
    assert failure is (None if all(confirmed) else FAILURE)


def test_an_event_of_a_later_release_is_published_without_asking_for_a_queue() -> None:
    assert route(recorded("TeamDissolved", 1, {})) == ("TeamDissolved", False)


def test_an_event_that_nobody_hears_of_is_declared_so() -> None:
    data = dict.fromkeys(("mail_id", "user_id", "caused_by"), "00000000-0000-4000-8000-000000000000")
    assert route(recorded("MailSent", 1, {**data, "kind": "scored", "message_id": "<1@palio>"})) == ("MailSent", False)
