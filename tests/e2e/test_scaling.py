"""Replicas that come, drain, die and share slow folds; withdrawals; places in the queue; pools that are paused and drained.

On a pool that only these tests serve.
"""

import asyncio
import json
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import aio_pika
import httpx
import pytest
from click.testing import CliRunner, Result

from deploy.local.ports import LOOPBACK
from deploy.local.stack import Stack
from deploy.local.trainers import trainer
from palio.cli import main
from palio.client.errors import ApiError
from services.orchestrator.order import REQUESTS_PER_SLOT
from shared.bus.telemetry import Commander
from shared.database import make_engine
from shared.events import (
    Event,
    FoldRequested,
    FoldTrained,
    RequestReturned,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)
from shared.ledger import read_stream
from shared.runs import run_id_of
from shared.settings import DatabaseSettings
from tests.support.people import KITS, Person, followed, publish
from tests.support.waiting import wait_until

POOL = "scaled"
N_FOLDS = 4
#: Waits on every fold until a time has passed since the sandbox began to train, then does what the starter does.
SLEEPER = """
import time
from sklearn.naive_bayes import GaussianNB

class Classifier:
    def fit(self, X, y):
        print("training", flush=True)
        time.sleep({seconds})
        self.model = GaussianNB().fit(X, y.astype(str))

    def predict_proba(self, X):
        return self.model.predict_proba(X)
"""


@pytest.fixture(scope="module")
def challenge(organiser: Person, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Iris with four folds, on the pool of these tests."""
    folder = tmp_path_factory.mktemp("kit") / "four_folds"
    shutil.copytree(KITS["iris"], folder)
    problem = folder / "problem.py"
    problem.write_text(problem.read_text().replace("n_splits=2", f"n_splits={N_FOLDS}"))
    assert publish(organiser.client, "four_folds", folder)["state"] == "prepared"
    organiser.client.create_challenge("four_folds", "Four folds", "four_folds", {"pool": POOL})
    return "four_folds"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all replicas here, as on one host: what one has fetched another finds."""
    return tmp_path_factory.mktemp("trainers")


@pytest.fixture(scope="module")
def bob(register: Callable[[str], Person], challenge: str) -> Person:
    person = register("bob")
    person.client.join(challenge)
    return person


@pytest.fixture
def submit(bob: Person, challenge: str, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Submits a sleeper; returns its id."""

    def submit(seconds: float, name: str = "", person: Person = bob) -> str:
        files = {"classifier.py": SLEEPER.format(seconds=seconds).encode()}
        return person.client.submit(challenge, f"{request.node.name} {name}"[-60:].strip(), files)["id"]

    return submit


@pytest.fixture(scope="module")
def run_events(platform: Stack) -> Callable[[str], list[Event]]:
    """The events of a submission's run, in order."""
    engine = make_engine(DatabaseSettings.model_validate({"database_url": platform.postgres.owner_url()}))

    def run_events(submission: str) -> list[Event]:
        with engine.connect() as connection:
            return [each.event() for each in read_stream(connection, f"run-{run_id_of(UUID(submission))}")]

    return run_events


@pytest.fixture(scope="module")
def begun(platform: Stack) -> Callable[[Sequence[str]], list[tuple[int, str]]]:
    """Of these submissions, in the ledger's order: position and submission of each job that a trainer began."""
    engine = make_engine(DatabaseSettings.model_validate({"database_url": platform.postgres.owner_url()}))

    def begun(submissions: Sequence[str]) -> list[tuple[int, str]]:
        with engine.connect() as connection:
            streams = [(each, read_stream(connection, f"run-{run_id_of(UUID(each))}")) for each in submissions]
        return sorted((each.position, of) for of, stream in streams for each in stream if each.type == "TrainingStarted")

    return begun


def kinds(events: list[Event]) -> Counter[str]:
    return Counter(type(event).__name__ for event in events)


def wait_for_event(run_events: Callable[[str], list[Event]], submission: str, kind: type[Event], number: int = 1) -> None:
    wait_until(lambda: kinds(run_events(submission))[kind.__name__] >= number, f"{number} {kind.__name__}")


def test_slow_folds_are_shared_by_all_replicas_each_trained_once_and_the_run_finishes_once(
    platform: Stack, cache: Path, bob: Person, submit: Callable[..., str], run_events: Callable[[str], list[Event]]
) -> None:
    with trainer(platform, POOL, cache), trainer(platform, POOL, cache):
        submission = submit(1.2)
        assert followed(bob, submission)["state"] == "scored"
    events = run_events(submission)
    assert kinds(events)["FoldsShared"] == kinds(events)["TrainingFinished"] == 1
    assert sorted(event.fold for event in events if isinstance(event, FoldTrained)) == list(range(N_FOLDS))
    assert sorted(event.fold for event in events if isinstance(event, FoldRequested)) == list(range(1, N_FOLDS))
    assert len({event.trainer for event in events if isinstance(event, TrainingStarted)}) == 2


def test_quick_folds_stay_on_the_trainer_that_began(
    platform: Stack, cache: Path, bob: Person, submit: Callable[..., str], run_events: Callable[[str], list[Event]]
) -> None:
    with trainer(platform, POOL, cache, slots=2, slow_fold_s="60"):
        submission = submit(0)
        assert followed(bob, submission)["state"] == "scored"
    assert kinds(run_events(submission)) == Counter(
        {"TrainingRequested": 1, "TrainingStarted": 1, "FoldTrained": N_FOLDS, "TrainingFinished": 1}
    )


def test_an_environment_larger_than_a_trainers_cache_ends_the_run_in_words_and_costs_its_team_nothing(
    platform: Stack, bob: Person, submit: Callable[..., str], run_events: Callable[[str], list[Event]], tmp_path: Path
) -> None:
    with trainer(platform, POOL, tmp_path, cache_max_bytes="5000000"):
        found = followed(bob, submission := submit(0))
    assert (found["state"], found["outcome"]) == ("failed", "environment_error")
    assert "the cache here may hold 5,000,000 (PALIO_CACHE_MAX_BYTES)" in found["reason"]
    assert kinds(run_events(submission))["TrainingFinished"] == 1, "trying again would not help"


def test_a_replica_that_is_killed_loses_nothing_and_what_is_recorded_is_not_trained_again(
    platform: Stack, cache: Path, bob: Person, submit: Callable[..., str], run_events: Callable[[str], list[Event]]
) -> None:
    with trainer(platform, POOL, cache, slow_fold_s="60") as first:
        submission = submit(1.0)
        wait_for_event(run_events, submission, FoldTrained)
        first.send(signal.SIGKILL)
        before = [event.fold for event in run_events(submission) if isinstance(event, FoldTrained)]
        with trainer(platform, POOL, cache, slots=2):
            assert followed(bob, submission)["state"] == "scored"
    events = run_events(submission)
    assert [event.reason for event in events if isinstance(event, RequestReturned)] == ["redelivered"]
    requested = {event.fold for event in events if isinstance(event, FoldRequested)}
    assert requested == set(range(N_FOLDS)) - set(before)
    assert kinds(events)["FoldTrained"] == N_FOLDS


def test_a_replica_that_is_told_to_end_hands_back_what_it_can_not_finish_and_that_costs_no_attempt(
    platform: Stack, cache: Path, bob: Person, submit: Callable[..., str], run_events: Callable[[str], list[Event]]
) -> None:
    with trainer(platform, POOL, cache, drain_s="0.2") as first:
        submission = submit(2.5)
        wait_for_event(run_events, submission, TrainingStarted)
        first.send(signal.SIGTERM)
        assert first.wait() == 0
    [returned] = [event for event in run_events(submission) if isinstance(event, RequestReturned)]
    assert returned.reason == "stopping"
    assert returned.execution_id is not None
    with trainer(platform, POOL, cache, slots=2):
        assert followed(bob, submission)["state"] == "scored"


def test_a_replica_that_is_told_to_end_finishes_what_it_can_and_takes_no_more(
    platform: Stack, cache: Path, bob: Person, submit: Callable[..., str], run_events: Callable[[str], list[Event]]
) -> None:
    with trainer(platform, POOL, cache, drain_s="60", slow_fold_s="60") as first:
        submission = submit(0.5, "now")
        later = submit(0, "later")
        wait_for_event(run_events, submission, TrainingStarted)
        first.send(signal.SIGTERM)
        assert first.wait() == 0
        assert kinds(run_events(submission))["TrainingFinished"] == 1
        assert not kinds(run_events(later))["TrainingStarted"]
    with trainer(platform, POOL, cache, "--max-jobs", "1", slots=2, slow_fold_s="60") as only_one:
        assert followed(bob, later)["state"] == "scored"
        assert only_one.wait() == 0, "it ends by itself after its one request"


def test_what_runs_is_withdrawn_within_moments_and_the_next_one_takes_its_slot(
    platform: Stack, cache: Path, bob: Person, submit: Callable[..., str], run_events: Callable[[str], list[Event]]
) -> None:
    with trainer(platform, POOL, cache):
        submission = submit(250, "endless")
        waiting = submit(0, "waiting")
        withdrawn = submit(0, "withdrawn while it waits")
        wait_for_event(run_events, submission, TrainingStarted)
        bob.client.withdraw(withdrawn)
        assert bob.client.submission(withdrawn)["state"] == "withdrawn"
        bob.client.withdraw(submission)
        assert bob.client.submission(submission)["state"] == "withdrawn"
        # One slot, which the endless one had: this ends only if that was ended.
        assert followed(bob, waiting)["state"] == "scored"
    assert not any(isinstance(event, TrainingFinished) for event in run_events(submission))
    assert kinds(run_events(withdrawn)) <= Counter({"TrainingRequested": 1, "SubmissionWithdrawn": 1})


def test_withdrawals_that_no_trainer_heard_leave_nothing_that_keeps_a_slot(
    platform: Stack, cache: Path, bob: Person, submit: Callable[..., str], run_events: Callable[[str], list[Event]]
) -> None:
    # Nobody serves the pool, so what is requested stays in its queue, withdrawn or not.
    withdrawn = []
    for number in range(3):
        withdrawn.append(submit(250, f"endless {number}"))
        wait_for_event(run_events, withdrawn[-1], TrainingRequested)
        bob.client.withdraw(withdrawn[-1])
    with trainer(platform, POOL, cache, drain_s="0", slow_fold_s="60"):
        assert followed(bob, submit(0, "next"))["state"] == "scored"
    assert not any(kinds(run_events(each))["TrainingStarted"] for each in withdrawn)


def test_what_a_submission_prints_is_seen_by_its_team_while_it_runs(
    platform: Stack, cache: Path, bob: Person, submit: Callable[..., str], register: Callable[[str], Person]
) -> None:
    with trainer(platform, POOL, cache, drain_s="0"):
        submission = submit(250)
        lines = next(bob.client.printed_lines(submission))
        assert (lines["fold"], lines["text"]) == (0, "training\n")
        assert bob.client.log(submission) == "--- fold 0, still running ---\ntraining\n"
        stranger = register("scaling-stranger").client
        assert stranger.submission(submission)["state"] == "training"
        with pytest.raises(ApiError, match="Only the submission's team"):
            stranger.log(submission)
        bob.client.withdraw(submission)
        assert "still running" not in bob.client.log(submission)
        assert list(stranger.printed_lines(submission)) == []


def test_who_waits_sees_a_place_in_the_queue_and_another_teams_first_goes_before_a_teams_many(
    platform: Stack,
    cache: Path,
    bob: Person,
    submit: Callable[..., str],
    register: Callable[[str], Person],
    run_events: Callable[[str], list[Event]],
    challenge: str,
) -> None:
    eve = register("scaling-eve")
    eve.client.join(challenge)

    def state() -> dict[str, Any]:
        address = f"http://{LOOPBACK}:{platform.service_ports['orchestrator']}/queue"
        return dict(httpx.get(address).json()["pools"].get(POOL, {}))

    with trainer(platform, POOL, cache, drain_s="0"):
        wait_until(lambda: state().get("slots") == 1, "trainers of earlier tests to be forgotten")
        running = submit(250, "running")
        wait_for_event(run_events, running, TrainingStarted)
        many = [submit(0, str(number)) for number in range(5)]
        late = submit(0, "late", eve)
        places: dict[str, Any] = {}

        def all_wait() -> bool:
            for submission in (*many, late):
                places[submission] = bob.client.submission(submission).get("queue")
            return all(places.values())

        wait_until(all_wait, "everybody's place")
        wait_until(lambda: all_wait() and places[late]["position"] == 2, "the other team's place")
        assert sorted(place["position"] for place in places.values()) == [1, 2, 3, 4, 5, 6]
        # The one that runs is slow, so its three other folds are jobs that wait as well.
        wait_until(lambda: state()["backlog"] == 6 + 3, "the folds that were shared")
        now = state()
        assert (now["under_way"], now["slots"]) == (1, 1)
        assert now["oldest_wait_s"] > 0
        eve.client.withdraw(late)
        for submission in (running, *many):
            bob.client.withdraw(submission)
        assert bob.client.submission(many[0])["queue"] is None


@pytest.fixture
def palio_pool(platform: Stack, organiser: Person) -> Iterator[Callable[..., Result]]:
    """`palio pool` as an administrator; in the end the pool of these tests is open."""
    environment = {"PALIO_SERVER": platform.origin, "PALIO_TOKEN": organiser.token}

    def palio_pool(*words: str) -> Result:
        return CliRunner().invoke(main, ["pool", *words], env=environment)

    yield palio_pool
    organiser.client.decide_pool(POOL, "resume")


def test_a_paused_pool_begins_nothing_more_and_finishes_what_it_has_and_who_waits_reads_why(
    platform: Stack,
    cache: Path,
    bob: Person,
    submit: Callable[..., str],
    run_events: Callable[[str], list[Event]],
    palio_pool: Callable[..., Result],
) -> None:
    with trainer(platform, POOL, cache, slow_fold_s="60", slots=2):
        begun = submit(1.0, "begun")
        wait_for_event(run_events, begun, TrainingStarted)
        assert palio_pool("pause", POOL, "--reason", "new disks").exit_code == 0
        waits = submit(0, "waits")
        place = wait_until(lambda: bob.client.submission(waits).get("queue"), "its place")
        assert (place["paused"], place["reason"], place["estimated_wait_s"]) == (True, "new disks", None)
        assert followed(bob, begun)["state"] == "scored"
        assert not run_events(waits)
        [listed] = [each for each in json.loads(palio_pool("list", "--json").stdout)["items"] if each["pool"] == POOL]
        assert (listed["state"], listed["reason"], listed["waiting"]) == ("paused", "new disks", 1)
        assert palio_pool("resume", POOL).exit_code == 0
        assert followed(bob, waits)["state"] == "scored"


def test_a_drained_pool_gives_back_what_it_can_not_finish_and_that_costs_nothing(
    platform: Stack,
    cache: Path,
    bob: Person,
    submit: Callable[..., str],
    run_events: Callable[[str], list[Event]],
    palio_pool: Callable[..., Result],
    organiser: Person,
) -> None:
    with trainer(platform, POOL, cache, drain_s="0.2", slow_fold_s="60"):
        endless, next_one = submit(250, "endless"), submit(0, "next")
        wait_for_event(run_events, endless, TrainingStarted)
        drained = palio_pool("drain", POOL, "--reason", "new driver")
        assert drained.exit_code == 0, drained.output
        assert "Nothing is under way" in drained.stderr
        [returned] = [event for event in run_events(endless) if isinstance(event, RequestReturned)]
        assert (returned.reason, returned.execution_id is not None) == ("stopping", True)
        assert kinds(run_events(next_one)) <= Counter({"TrainingRequested": 1, "RequestReturned": 1})
        for submission in (endless, next_one):
            place = wait_until(lambda each=submission: bob.client.submission(each).get("queue"), "its place")
            assert (place["paused"], place["reason"]) == (True, "new driver")
        bob.client.withdraw(endless)
        position = organiser.client.decide_pool(POOL, "resume")["position"]
        assert position is not None
        # A command of before, which the broker kept back.
        asyncio.run(_command_late(platform, position))
        assert followed(bob, next_one)["state"] == "scored"
    assert [event.reason for event in run_events(next_one) if isinstance(event, RequestReturned)] in ([], ["stopping"])


async def _command_late(platform: Stack, through: int) -> None:
    async with await aio_pika.connect_robust(platform.rabbitmq.url("orchestrator")) as connection:
        await (await Commander.open(connection)).drain(POOL, 1, through)


def test_only_administrators_decide_on_pools_that_are_there_and_twice_is_once(
    platform: Stack, organiser: Person, bob: Person, palio_pool: Callable[..., Result]
) -> None:
    first = organiser.client.decide_pool(POOL, "pause", "once")
    assert organiser.client.decide_pool(POOL, "pause", "twice") == first
    assert first["reason"] == "once"
    # Nothing is under way where nothing was submitted, and no trainer needs to live for that.
    assert palio_pool("drain", POOL).exit_code == 0
    assert organiser.client.decide_pool(POOL, "resume")["state"] == "open"
    assert organiser.client.decide_pool("unserved", "resume")["position"] is None
    refused = palio_pool("drain", "gpu")
    assert (refused.exit_code, "There is no pool gpu. There are: default" in refused.stderr) == (1, True)
    with pytest.raises(ApiError, match="control or invisible"):
        organiser.client.decide_pool(POOL, "pause", "\x1b[2J")
    for attempt in (bob.client.pools, lambda: bob.client.decide_pool(POOL, "pause")):
        with pytest.raises(ApiError, match="Only administrators"):
            attempt()


def test_while_long_jobs_wait_anothers_first_fold_comes_soon_and_nobody_starves(
    platform: Stack,
    cache: Path,
    bob: Person,
    submit: Callable[..., str],
    register: Callable[[str], Person],
    begun: Callable[[Sequence[str]], list[tuple[int, str]]],
    challenge: str,
) -> None:
    fay = register("scaling-fay")
    fay.client.join(challenge)
    with trainer(platform, POOL, cache, drain_s="0", slow_fold_s="0.2"):
        long = [submit(1.0, f"long {number}") for number in range(2)]
        wait_until(lambda: len(begun(long)) > 0, "a long one to hold the only slot")
        seen = begun(long)[-1][0]
        quick = [submit(0, f"quick {number}", fay) for number in range(3)]
        for submission in quick:
            assert followed(fay, submission)["state"] == "scored"
        for submission in long:
            assert followed(bob, submission)["state"] == "scored"
    order = [submission for position, submission in begun([*long, *quick]) if position > seen]
    # What was requested already goes first, twice the slots, and what the only slot has just begun. Nothing else does.
    assert order.index(quick[0]) <= REQUESTS_PER_SLOT + 1
    # Who has had many turns has turns still: not all of the other team's go before.
    assert any(submission in long for submission in order[order.index(quick[0]) : order.index(quick[-1])])
