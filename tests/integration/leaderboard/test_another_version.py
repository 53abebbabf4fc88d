"""A challenge that moves on to another version of its problem: what the dry run says, and boards that change over at once."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Engine

from services.ingest.accounts import Account, issue_token, register
from services.ingest.rescorings import confirm_rescoring, request_rescoring
from services.leaderboard.api import Context
from services.leaderboard.rescorings import NOT_YET, SCORED_SINCE, TO_RETRAIN
from shared.artefacts import Store
from shared.events import RankMove, RescoringComputed, RescoringFailed
from shared.http import Problem
from shared.ledger import head_position
from shared.vault import Principal
from tests.support.goldens import golden
from tests.support.histories import CHALLENGE, ORGANISER, History, Submission
from tests.support.statements import statements

BOARD = f"/v1/challenges/{CHALLENGE}/leaderboards/public"


@pytest.fixture
def teacher(engine_of: Callable[[str], Engine]) -> Account:
    return register(engine_of("ingest"), "teacher", "teacher@example.org", "a password").account


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], teacher: Account) -> History:
    return History(engine_of, store_of("ingest"), organiser_id=teacher.user_id)


@pytest.fixture
def organiser(teacher: Account, ingest: Engine) -> dict[str, str]:
    """Headers of the one who runs the challenge, and is no administrator."""
    return {"Authorization": f"Bearer {issue_token(ingest, teacher.name, 'a password', 1).token}"}


@pytest.fixture
def ingest(engine_of: Callable[[str], Engine]) -> Engine:
    return engine_of("ingest")


def computed(history: History, n_scored: int, n_failed: int = 0, n_to_retrain: int = 0) -> None:
    """The scorer is through."""
    with history.orchestrator.connect() as connection:
        here = head_position(connection)
    counts = {"n_scored": n_scored, "n_failed": n_failed, "n_to_retrain": n_to_retrain}
    event = RescoringComputed.model_validate({"challenge_id": CHALLENGE, "problem_version": 2, "up_to_position": here, **counts})
    history.append_as("scorer", event)


async def ranks(client: httpx.AsyncClient, **query: int) -> list[tuple[str, float]]:
    rows = (await client.get(BOARD, params=query)).raise_for_status().json()["rows"]
    return [(row["submission_id"], next(iter(row["scores"].values()))) for row in rows]


def of(submission: Submission) -> str:
    return str(submission.submission_id)


async def test_all_boards_change_over_at_one_position(history: History, client: httpx.AsyncClient) -> None:
    one, other = (history.scored(history.person(), value) for value in (0.9, 0.8))
    history.publish_next_version()
    history.rescored(one, 2, 0.3)
    history.rescored(other, 2, 0.4)
    history.catch_up()
    assert await ranks(client) == [(of(one), 0.9), (of(other), 0.8)], "what waits is not shown"
    with history.orchestrator.connect() as connection:
        before = head_position(connection)
    history.adopt(2)
    history.catch_up()
    assert await ranks(client) == [(of(other), 0.4), (of(one), 0.3)]
    assert await ranks(client, at=before) == [(of(one), 0.9), (of(other), 0.8)]


def test_moving_on_costs_one_statement_a_submission_at_most(history: History, context: Context) -> None:
    account, counts = history.person(), []
    for version, n_more in ((2, 1), (3, 5)):
        for _ in range(n_more):
            new = history.submitted(account)
            history.release(slots=10)
            history.trained(new)
            history.score(new, version=version - 1)
        history.publish_next_version()
        for each in history.submissions:
            history.rescored(each, version)
        history.catch_up()
        history.adopt(version)
        with statements(context.engine) as asked:
            history.catch_up()
        counts.append(len(asked))
    assert counts[1] - counts[0] <= 5


async def test_what_has_no_score_by_the_version_leaves_the_boards_until_it_has_one(
    history: History, client: httpx.AsyncClient
) -> None:
    one, other = (history.scored(history.person(), value) for value in (0.9, 0.8))
    history.publish_next_version()
    history.rescored(one, 2, 0.3)
    history.adopt(2)
    history.catch_up()
    assert await ranks(client) == [(of(one), 0.3)]
    assert history.retrain() == ["requested", "requested"], "by this version neither was trained"
    history.release(slots=10)
    history.trained(other)
    history.score(other, 0.95, version=2)
    history.catch_up()
    assert await ranks(client) == [(of(other), 0.95), (of(one), 0.3)]


def scored_late(history: History) -> Submission:
    """A submission that is scored by the version before once the challenge runs another one."""
    submission = history.submitted(history.person())
    history.release()
    history.trained(submission)
    history.publish_next_version()
    history.adopt(2)
    history.score(submission, 0.9)
    return submission


async def test_a_score_by_the_version_before_that_comes_late_is_on_no_board(history: History, client: httpx.AsyncClient) -> None:
    submission = scored_late(history)
    history.catch_up()
    detail = (await client.get(f"/v1/submissions/{of(submission)}")).json()
    assert (detail["state"], await ranks(client)) == ("trained", [])
    history.rescored(submission, 2, 0.2)
    history.catch_up()
    assert await ranks(client) == [(of(submission), 0.2)]


async def test_one_that_can_not_be_scored_by_the_version_says_why(history: History, client: httpx.AsyncClient) -> None:
    submission = scored_late(history)
    fail_to_rescore(history, submission)
    history.catch_up()
    detail = (await client.get(f"/v1/submissions/{of(submission)}")).json()
    assert (detail["state"], detail["outcome"]) == ("failed", "kit_error")
    assert history.retrain() == ["requested"]


def fail_to_rescore(history: History, submission: Submission) -> None:
    event = golden("RescoringFailed")
    assert isinstance(event, RescoringFailed)
    about = {"run_id": history.run_id(submission), "submission_id": submission.submission_id, "challenge_id": CHALLENGE}
    history.append_as("scorer", event.model_copy(update={**about, "detail_digest": None}))


async def test_a_dry_run_says_whose_rank_would_move_and_what_is_missing(
    history: History, client: httpx.AsyncClient, ingest: Engine, organiser: dict[str, str]
) -> None:
    one, other, failing = (history.scored(history.person(), value) for value in (0.9, 0.8, 0.7))
    history.publish_next_version()
    address = f"/v1/challenges/{CHALLENGE}/rescorings/2"
    history.catch_up()
    assert (await client.get(address, headers=organiser)).status_code == 404
    assert request_rescoring(ingest, CHALLENGE, None, ORGANISER).state == "requested"
    assert request_rescoring(ingest, CHALLENGE, None, ORGANISER).position is None, "asked for twice is asked for once"
    history.catch_up()
    page = (await client.get(address, headers=organiser)).raise_for_status().json()
    assert (page["state"], page["n_scored"], page["n_submissions"]) == ("requested", 0, 3)
    with pytest.raises(Problem, match="not there yet"):
        confirm_rescoring(ingest, CHALLENGE, 2, ORGANISER, without_missing=False)
    history.rescored(one, 2, 0.3)
    history.rescored(other, 2, 0.4)
    fail_to_rescore(history, failing)
    computed(history, n_scored=2, n_failed=1)
    history.catch_up()
    page = (await client.get(address, headers=organiser)).raise_for_status().json()
    assert (page["state"], page["n_scored"], page["n_failed"], page["from_version"]) == ("computed", 2, 1, 1)
    moves = [(each["before"], each["after"], each["score_before"], each["score_after"]) for each in page["moves"]]
    assert moves == [(2, 1, 0.8, 0.4), (1, 2, 0.9, 0.3), (3, None, 0.7, None)]
    assert [(each["submission_id"]) for each in page["missing"]] == [of(failing)]
    with pytest.raises(Problem, match="1 submissions have no score by version 2"):
        confirm_rescoring(ingest, CHALLENGE, 2, ORGANISER, without_missing=False)
    assert confirm_rescoring(ingest, CHALLENGE, 2, ORGANISER, without_missing=True).state == "confirmed"
    assert confirm_rescoring(ingest, CHALLENGE, 2, ORGANISER, without_missing=True).position is None
    history.adopt(2, RankMove(team_id=one.account.team_id, before=1, after=2))
    history.catch_up()
    page = (await client.get(address, headers=organiser)).raise_for_status().json()
    assert page["state"] == "adopted"
    assert [(each["before"], each["after"]) for each in page["moves"]] == [(2, 1), (1, 2), (3, None)]
    assert request_rescoring(ingest, CHALLENGE, 2, ORGANISER).state == "adopted", "twice changes nothing"
    assert confirm_rescoring(ingest, CHALLENGE, 2, ORGANISER, without_missing=False).state == "adopted"
    with pytest.raises(Problem, match="publish what was before again"):
        request_rescoring(ingest, CHALLENGE, 1, ORGANISER)


async def test_a_dry_run_counts_what_would_come_onto_the_boards(
    history: History, client: httpx.AsyncClient, ingest: Engine, organiser: dict[str, str]
) -> None:
    one, other = history.scored(history.person(), 0.9), history.submitted(history.person())
    history.release()
    history.trained(other)
    history.fail_to_score(other)
    history.publish_next_version()
    assert request_rescoring(ingest, CHALLENGE, 2, ORGANISER).state == "requested"
    history.rescored(one, 2, 0.3)
    assert history.retrain(other, version=2) == ["requested"]
    history.release()
    history.trained(other)
    history.score(other, 0.95, version=2)
    computed(history, n_scored=1)
    for is_adopted in (False, True):
        if is_adopted:
            history.adopt(2)
        history.catch_up()
        page = (await client.get(f"/v1/challenges/{CHALLENGE}/rescorings/2", headers=organiser)).raise_for_status().json()
        assert [(each["before"], each["after"]) for each in page["moves"]] == [(None, 1), (1, 2)]
        assert (page["n_scored"], page["n_submissions"], page["missing"]) == (1, 1, [])


async def test_who_waits_for_a_dry_run_asks_as_much_of_the_database_for_many_submissions_as_for_one(
    history: History, client: httpx.AsyncClient, context: Context, ingest: Engine, organiser: dict[str, str]
) -> None:
    account, counts = history.person(), []
    history.publish_next_version()
    assert request_rescoring(ingest, CHALLENGE, 2, ORGANISER).state == "requested"
    address = f"/v1/challenges/{CHALLENGE}/rescorings/2"
    # The first one of a connection asks for more.
    history.catch_up()
    (await client.get(address, headers=organiser)).raise_for_status()
    for n_more in (1, 5):
        for _ in range(n_more):
            history.scored(account)
        history.catch_up()
        with statements(context.engine) as asked:
            page = (await client.get(address, headers=organiser)).raise_for_status().json()
        counts.append((len(asked), len(page["missing"])))
    assert counts == [(counts[0][0], 1), (counts[0][0], 6)]
    assert {each["why"] for each in page["missing"]} == {NOT_YET}
    computed(history, n_scored=0, n_to_retrain=6)
    late = history.scored(account)
    history.catch_up()
    page = (await client.get(address, headers=organiser)).raise_for_status().json()
    assert {each["why"] for each in page["missing"] if each["submission_id"] != of(late)} == {TO_RETRAIN}
    assert [each["why"] for each in page["missing"] if each["submission_id"] == of(late)] == [SCORED_SINCE]


def test_what_nothing_came_of_for_long_may_be_asked_for_again(
    history: History, ingest: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.publish_next_version()
    assert request_rescoring(ingest, CHALLENGE, 2, ORGANISER).position is not None
    monkeypatch.setattr("services.ingest.rescorings.FORGOTTEN_AFTER", timedelta(0))
    assert request_rescoring(ingest, CHALLENGE, 2, ORGANISER).position is not None
    computed(history, n_scored=0)
    for _ in range(2):
        found = confirm_rescoring(ingest, CHALLENGE, 2, ORGANISER, without_missing=False)
        assert (found.state, found.position is None) == ("confirmed", False)


async def test_it_is_the_organisers_and_nobody_elses(history: History, client: httpx.AsyncClient, ingest: Engine) -> None:
    account = history.person()
    stranger = Principal(account.user_id, administrator=False)
    submission = history.scored(account)
    history.publish_next_version()
    with pytest.raises(Problem, match="Only the organiser"):
        request_rescoring(ingest, CHALLENGE, 2, stranger)
    with pytest.raises(Problem, match="Only the organiser"):
        confirm_rescoring(ingest, CHALLENGE, 2, stranger, without_missing=True)
    request_rescoring(ingest, CHALLENGE, 2, ORGANISER)
    history.rescored(submission, 2)
    history.catch_up()
    assert (await client.get(f"/v1/challenges/{CHALLENGE}/rescorings/2")).status_code == 403


def test_no_version_is_taken_that_is_not_prepared(history: History, ingest: Engine) -> None:
    with pytest.raises(Problem, match="not prepared"):
        request_rescoring(ingest, CHALLENGE, 7, ORGANISER)


def test_who_submits_after_that_submits_to_the_new_version(history: History) -> None:
    history.publish_next_version()
    history.adopt(2)
    submission = history.scored(history.person())
    assert history.problem_version(submission) == 2
