"""Challenges open and close by the ledger's clock, once, in order, never before their time."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import uuid4

import aio_pika
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from services.ingest.challenges import NewChallenge, create_challenge, join_challenge
from services.ingest.submissions import NewSubmission, SubmissionDesk
from services.orchestrator.challenge_times import ledger_clock, record_what_has_come
from services.orchestrator.lost import LostWork
from services.orchestrator.main import ready_messages
from services.orchestrator.projection import HANDLERS
from services.orchestrator.scheduler import Scheduler
from services.orchestrator.trainers import Trainers
from shared.artefacts import Store
from shared.bus.telemetry import Commander, Whisperer
from shared.bus.topology import ORCHESTRATOR_KEYS
from shared.events import ChallengeClosed, ChallengeCreated, ChallengeMoment, SubmissionUploaded
from shared.http import Problem
from shared.ledger import Projection, read_after, read_stream
from shared.ledger.append import append as really_append
from shared.telemetry import Readiness
from tests.support.breakable_way import breakable_way
from tests.support.histories import ADMINISTRATOR, CHALLENGE, POOL, History
from tests.support.waiting import wait_for, wait_until

IN_ORDER = ["ChallengeCreated", "ChallengeOpened", "CodeOpened", "ChallengeClosed"]
SECOND = timedelta(seconds=1)


class Calendar:
    """Challenges on a real ledger, and orchestrators that watch them."""

    def __init__(self, engine_of: Callable[[str], Engine], history: History) -> None:
        self.engine = engine_of("orchestrator")
        self.history = history
        self._ingest = engine_of("ingest")

    def challenge(self, *times: timedelta) -> str:
        """A challenge whose times are so far from now."""
        now = datetime.now(UTC)
        opens_at, code_opens_at, closes_at = (now + each for each in times)
        name = f"c{uuid4().hex[:12]}"
        new = NewChallenge(
            id=name, title="x", problem=CHALLENGE, opens_at=opens_at, code_opens_at=code_opens_at, closes_at=closes_at
        )
        create_challenge(self._ingest, new, ADMINISTRATOR, [POOL])
        return name

    def look(self, clock: Callable[[Connection], datetime] = ledger_clock) -> int:
        """As the scheduler does in each of its turns."""
        Projection("orchestrator", self.engine, HANDLERS, Readiness()).catch_up()
        return record_what_has_come(self.engine, clock)

    def stream(self, challenge_id: str) -> list[str]:
        """Types of what the ledger says of it."""
        with self.engine.connect() as connection:
            return [each.type for each in read_stream(connection, f"challenge-{challenge_id}")]


@pytest.fixture
def calendar(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> Calendar:
    return Calendar(engine_of, History(engine_of, store_of("ingest")))


def far_ahead(_connection: Connection) -> datetime:
    return datetime.now(UTC) + timedelta(days=1000)


def test_a_challenge_made_with_times_in_the_past_opens_and_closes_at_once_and_in_order(calendar: Calendar) -> None:
    past = calendar.challenge(-3 * SECOND, -2 * SECOND, -1 * SECOND)
    at_one_moment = calendar.challenge(-SECOND, -SECOND, -SECOND)
    calendar.look()
    assert calendar.stream(past) == calendar.stream(at_one_moment) == IN_ORDER


def test_only_what_has_come_is_said_and_looking_again_says_nothing_more(calendar: Calendar) -> None:
    challenge = calendar.challenge(-SECOND, 1000 * SECOND, 2000 * SECOND)
    assert calendar.look() == 2, "this one and the history's own have opened"
    assert calendar.look() == 0
    assert calendar.stream(challenge) == IN_ORDER[:2]


def test_a_clock_that_is_ahead_says_nothing_before_its_time(calendar: Calendar) -> None:
    soon = calendar.challenge(-SECOND, 1000 * SECOND, 2000 * SECOND)
    calendar.look()
    assert calendar.look(far_ahead) == 0
    assert calendar.stream(soon) == IN_ORDER[:2]
    assert calendar.look() == 0, "it waits until the ledger's clock is there"


def test_a_clock_that_is_behind_delays_and_loses_nothing(calendar: Calendar) -> None:
    challenge = calendar.challenge(-3 * SECOND, -2 * SECOND, -SECOND)
    assert calendar.look(lambda _: datetime.now(UTC) - timedelta(days=1)) == 0
    calendar.look()
    assert calendar.stream(challenge) == IN_ORDER


def test_an_orchestrator_whose_tables_are_behind_another_one_says_nothing_twice(calendar: Calendar) -> None:
    challenge = calendar.challenge(-3 * SECOND, -2 * SECOND, 1000 * SECOND)
    calendar.look()
    # As one that died after its commit, or another one that had looked before: its tables still say that all is due.
    assert record_what_has_come(calendar.engine) == 0
    assert calendar.stream(challenge) == IN_ORDER[:3]


def test_a_death_before_the_commit_says_nothing_and_the_next_look_says_it(
    calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = calendar.challenge(-3 * SECOND, -2 * SECOND, -SECOND)

    def append_and_die(*arguments: object) -> None:
        really_append(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("services.orchestrator.challenge_times.append", append_and_die)
        with pytest.raises(KeyboardInterrupt):
            calendar.look()
    assert calendar.stream(challenge) == IN_ORDER[:1]
    calendar.look()
    assert calendar.stream(challenge) == IN_ORDER


class Watched:
    """A calendar for many examples."""

    calendar: ClassVar[Calendar]


def test_whatever_the_times_and_clocks_each_is_said_once_in_order_and_not_before_its_time(calendar: Calendar) -> None:
    Watched.calendar = calendar
    any_times()
    with calendar.engine.connect() as connection:
        everything = read_after(connection, 0, 100_000)
    for recorded in everything:
        event = recorded.event()
        if isinstance(event, ChallengeMoment):
            assert recorded.recorded_at >= event.due_at


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    seconds=st.lists(st.integers(-3, 3), min_size=3, max_size=3).map(sorted),
    ahead_s=st.lists(st.integers(-5, 5), min_size=1, max_size=4),
)
def any_times(seconds: list[int], ahead_s: list[int]) -> None:
    calendar = Watched.calendar
    challenge = calendar.challenge(*(each * 1000 * SECOND for each in seconds))
    for each in ahead_s:
        calendar.look(lambda _, each=each: datetime.now(UTC) + each * 1000 * SECOND)  # type: ignore[misc]
        assert calendar.stream(challenge) == IN_ORDER[: len(calendar.stream(challenge))]
    calendar.look()
    assert calendar.stream(challenge) == IN_ORDER[: 1 + sum(each <= 0 for each in seconds)]


def test_no_submission_after_the_closing_is_in_time_and_none_in_time_stands_after_it(
    calendar: Calendar, engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]
) -> None:
    account = calendar.history.person()
    challenge = calendar.challenge(-SECOND, 3 * SECOND, 3 * SECOND)
    join_challenge(engine_of("ingest"), challenge, account.team_id, account.user_id)
    desk = SubmissionDesk(engine_of("ingest"), store_of("ingest"), 1000)
    numbers = itertools.count()

    def submit_until_refused() -> bool:
        """Both race for the last moment."""
        calendar.look()
        new = NewSubmission(challenge, f"s{next(numbers)}", {"classifier.py": b"x = 1\n"}, None)
        try:
            desk.submit(new, account.user_id, account.team_id)
        except Problem as problem:
            return problem.code == "challenge-closed"
        return False

    wait_until(submit_until_refused, "the challenge to close")
    calendar.look()
    assert submit_until_refused(), "after it, every submission is late"
    with calendar.engine.connect() as connection:
        everything = [(each.position, each.recorded_at, each.event()) for each in read_after(connection, 0, 10_000)]
    [rules] = [event for *_, event in everything if isinstance(event, ChallengeCreated) and event.challenge_id == challenge]
    [closed] = [at for at, _, event in everything if isinstance(event, ChallengeClosed) and event.challenge_id == challenge]
    handed_in = [(at, time) for at, time, event in everything if isinstance(event, SubmissionUploaded)]
    assert handed_in
    assert all(rules.takes_submissions_at(time) and position < closed for position, time in handed_in)


async def test_a_broker_that_is_away_delays_no_time_of_a_challenge_and_is_said_to_be_away(
    calendar: Calendar, engine_of: Callable[[str], Engine], amqp_url: Callable[[str], str]
) -> None:
    place = httpx.URL(amqp_url("orchestrator"))
    readiness, trainers = Readiness(), Trainers()
    projection = Projection("orchestrator", calendar.engine, HANDLERS, readiness)
    async with breakable_way(place.host, place.port or 5672) as way:
        url = str(place.copy_with(port=way.port))
        async with await aio_pika.connect_robust(url, reconnect_interval=0.2) as connection:
            ready = await ready_messages(connection)
            lost = LostWork(calendar.engine, trainers, ready, max_attempts=3, lost_after_s=60)
            scheduler = Scheduler(calendar.engine, projection, trainers, (lost.look,), readiness)
            whisperer, commander = await Whisperer.open(connection, ORCHESTRATOR_KEYS), await Commander.open(connection)
            running = asyncio.create_task(scheduler.run(whisperer, commander))
            try:
                before = calendar.challenge(-SECOND, -SECOND, -SECOND)
                await wait_for(lambda: calendar.stream(before) == IN_ORDER, "the orchestrator to be at work")
                await way.close()
                # Something to say: a pool in which something waits.
                calendar.history.submit(calendar.history.person())
                await wait_for(lambda: "telling" in readiness.obstacles(), "the orchestrator to say that nobody hears it")
                meanwhile = calendar.challenge(-SECOND, -SECOND, -SECOND)
                await wait_for(lambda: calendar.stream(meanwhile) == IN_ORDER, "the times to be recorded all the same", 20)
                await way.open()
                await wait_for(lambda: not readiness.obstacles(), "the orchestrator to say that all is well")
            finally:
                running.cancel()
                await asyncio.wait({running})
