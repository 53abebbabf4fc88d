"""Every attack in `submissions/`, by a real trainer: it ends as it says, leaks nothing, and the next submission is untouched."""

import subprocess

import httpx
import pytest

from tests.attack.arena import Arena, left_on_this_machine
from tests.attack.attacks import ATTACKS, GROUPS, SUCCESS, Attack, attacks_of
from tests.support.reading import addresses_of, shown_at


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_ends_as_it_says_and_leaks_nothing(arena: Arena, attack: Attack, pool: str) -> None:
    submission = arena.round(attacks_of(attack.group)).result(pool, attack.name)
    submission_id = str(submission["id"])
    log = arena.mallory.client.log(submission_id)
    state = "scored" if attack.outcome == "trained" else "failed"
    assert (submission["outcome"], submission["state"]) == (attack.outcome, state), (submission, log[-5000:])
    for key, content in arena.stored(pool, submission_id):
        kind, _, fold = key.split("/")[3].partition("-")
        assert SUCCESS not in content, (key, content[-5000:])
        assert arena.planted.found_in(content, int(fold) if kind in {"log", "fold"} else None) == [], key
    for words in attack.says:
        assert words in f"{submission['reason']}\n{submission['traceback']}"
    for words in attack.log:
        assert words in log, log[-5000:]
    if attack.scores_as_starter:
        assert arena.organiser.client.submission(submission_id)["scores"] == arena.before[pool]


@pytest.mark.parametrize("group", GROUPS)
def test_the_neighbours_get_the_same_scores_to_the_last_digit(arena: Arena, group: str, pool: str) -> None:
    assert arena.round(attacks_of(group)).scores_beside_and_after(pool) == [arena.before[pool]] * 2


def tried(arena: Arena) -> None:
    """Wait until every attack is over."""
    for attack in ATTACKS:
        for pool in arena.pools:
            arena.round(attacks_of(attack.group)).result(pool, attack.name)


def test_the_search_finds_what_is_there(arena: Arena) -> None:
    _, _, label = arena.planted.test[0]
    assert arena.planted.found_in(f"[..., {label!r}]".encode(), 0) == [f"the label {label!r}"]
    assert set(arena.planted.found_in(" ".join(arena.planted.canaries.values()).encode(), 0)) == set(arena.planted.canaries)


def test_the_trainers_that_ran_them_are_still_the_same(arena: Arena, ordinary_trainer: "subprocess.Popen[bytes] | None") -> None:
    tried(arena)
    assert arena.platform.supervisor.pid("trainer-1") == arena.trainer_pid
    assert ordinary_trainer is None or ordinary_trainer.poll() is None


def test_nothing_that_they_started_or_wrote_is_left_on_this_machine(arena: Arena) -> None:
    tried(arena)
    assert left_on_this_machine() == []


def test_nothing_that_is_shown_to_whoever_attacks_holds_a_secret(arena: Arena) -> None:
    tried(arena)
    # One pool's: what is shown does not depend on the trainer.
    submissions = [arena.round(attacks_of(attack.group)).ids["default", attack.name] for attack in ATTACKS]
    values = {"challenge_id": arena.challenges, "problem_id": ["attacked"], "submission_id": submissions}
    asked = 0
    with httpx.Client(base_url=arena.platform.origin, timeout=30) as client:
        for url in addresses_of(client, values):
            assert arena.planted.found_in(shown_at(client, url, arena.mallory.token), None) == [], url
            asked += 1
    assert asked > 3 * len(submissions)


def test_no_service_has_logged_a_secret(arena: Arena) -> None:
    tried(arena)
    logs = list(arena.platform.log_folder.iterdir())
    assert len(logs) > 8
    for log in logs:
        assert arena.planted.found_in(log.read_bytes(), None) == [], log.name
