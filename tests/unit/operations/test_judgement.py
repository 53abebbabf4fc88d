"""What `palio ops status` takes for broken, and how it says what a submission waits for."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from operations.facts import DeadLetters, Disk, Facts, Lag, PoolFact, QueueFact, ServiceFact, Silence, Unfinished
from operations.gathering import queue_facts
from operations.judgement import BOUNDS, GIB, Bounds, broken_bounds
from operations.waiting import Progress, waits_for

ROOT = Path(__file__).parents[3]
WELL = ServiceFact("relay", alive=True, ready=True, words="ready")
POOL = PoolFact("default", "open", "", backlog=3, under_way=2, oldest_wait_s=10, trainers=1)
OLDEST = Unfinished("id", "iris", "queued", "default", 100, "its turn in pool default")
QUEUE = QueueFact("mailer.events", 5, 1, 2)
WELL_FACTS = Facts(
    services=(WELL,),
    relay=Lag("relay", 3, 1),
    projections=(Lag("mailer", 3, 1),),
    queues=(QUEUE, QueueFact("scorer.events", 50, 1, None), QueueFact("trainer.default", 5_000, 1, 0)),
    pools=(POOL,),
    unfinished=OLDEST,
    silence=Silence(1_799, 1_800, "id", "the scorer"),
    dead_letters=DeadLetters({}, 0),
    disks=(Disk(".", 50 * GIB),),
)


def test_what_is_well_breaks_no_bound() -> None:
    assert broken_bounds(WELL_FACTS, Bounds()) == []
    assert broken_bounds(Facts(), Bounds()) == []


BROKEN = {
    "server-away": replace(WELL_FACTS, away={"PostgreSQL": "Connection refused"}),
    "service-away": replace(WELL_FACTS, services=(replace(WELL, alive=False, ready=False, words="Connection refused"),)),
    "service-not-ready": replace(WELL_FACTS, services=(replace(WELL, ready=False, words="relay: the database is away"),)),
    "relay-lag": replace(WELL_FACTS, relay=Lag("relay", 3, 11)),
    "projection-lag": replace(WELL_FACTS, projections=(Lag("mailer", 3, 31),)),
    "queue-age": replace(WELL_FACTS, queues=(replace(QUEUE, age_s=61),)),
    "queue-depth": replace(WELL_FACTS, queues=(QueueFact("scorer.events", 1_001, 1, None),)),
    "no-trainers": replace(WELL_FACTS, pools=(replace(POOL, trainers=0),)),
    "pool-wait": replace(WELL_FACTS, pools=(replace(POOL, oldest_wait_s=3_601),)),
    "unfinished-age": replace(WELL_FACTS, unfinished=replace(OLDEST, age_s=21_601)),
    "silence": replace(WELL_FACTS, silence=Silence(1_801, 1_800, "id", "the scorer")),
    "dead-letters": replace(WELL_FACTS, dead_letters=DeadLetters({"scorer.events": 1}, 5)),
    "free-disk": replace(WELL_FACTS, disks=(Disk(".", 4 * GIB),)),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_each_bound_is_broken_by_itself_and_named(name: str) -> None:
    [breach] = broken_bounds(BROKEN[name], Bounds())
    assert breach.bound == name
    assert breach.words


def test_a_bound_that_is_widened_holds() -> None:
    wide = Bounds(**{field.name: 0 if field.name.startswith("free") else 1e9 for field in fields(Bounds)})
    measured = [
        name for name in BOUNDS if name not in {"server-away", "service-away", "service-not-ready", "no-trainers", "silence"}
    ]
    assert [name for name in measured if broken_bounds(BROKEN[name], wide)] == []


def test_a_message_that_nobody_is_there_to_take_is_one_too_many() -> None:
    [breach] = broken_bounds(replace(WELL_FACTS, queues=(QueueFact("scorer.events", 1, 0, None),)), Bounds())
    assert breach.bound == "queue-depth"


@pytest.mark.parametrize("state", ["paused", "drained"])
def test_a_pool_that_somebody_stopped_is_no_fault(state: str) -> None:
    stopped = replace(POOL, state=state, trainers=0, oldest_wait_s=1e6)
    assert broken_bounds(replace(WELL_FACTS, pools=(stopped,)), Bounds()) == []


@pytest.mark.parametrize(
    ("progress", "pool", "words"),
    [
        (Progress("trained", "default", 4, 4, requested=False, begun=False), POOL, "its scores, from the scorer"),
        (Progress("training", "default", 1, 4, requested=True, begun=True), POOL, "its training: 1 of 4 folds are done"),
        (Progress("queued", "default", 0, 4, requested=True, begun=False), POOL, "a trainer of pool default to take it"),
        (Progress("uploaded", "default", 0, None, requested=False, begun=False), POOL, "its turn in pool default"),
        (Progress("uploaded", "default", 0, None, requested=False, begun=False), None, "its turn in pool default"),
        (
            Progress("queued", "default", 0, 4, requested=True, begun=False),
            replace(POOL, trainers=0),
            "a trainer: none lives in pool default",
        ),
        (
            Progress("training", "default", 1, 4, requested=False, begun=False),
            replace(POOL, state="drained", reason="new disks"),
            "its pool default, which is drained: new disks",
        ),
    ],
)
def test_what_a_submission_waits_for_is_said_in_words(progress: Progress, pool: PoolFact | None, words: str) -> None:
    assert waits_for(progress, pool) == words


def test_a_queues_age_is_the_lag_of_what_it_feeds_and_an_empty_one_has_none() -> None:
    lags = {"mailer": Lag("mailer", 7, 12.5), "leaderboard": Lag("leaderboard", 1, 3.0)}
    depths = {
        "mailer.events": (4, 1),
        "leaderboard.events": (0, 1),
        "scorer.events": (2, 1),
        "trainer.default": (9, 1),
        "gone": None,
    }
    found = {each.name: each.age_s for each in queue_facts(depths, lags)}
    assert found == {"mailer.events": 12.5, "leaderboard.events": 0.0, "scorer.events": None, "trainer.default": 0.0}


def test_the_runbook_has_a_section_for_each_bound() -> None:
    sections = set(re.findall(r"^## ([a-z-]+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE))
    assert set(BOUNDS) <= sections
