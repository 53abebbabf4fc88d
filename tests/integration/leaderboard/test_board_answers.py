"""Boards over HTTP: who sees which, what stands in them, part of them, as CSV, and only when they changed."""

import csv
import io
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from services.leaderboard.live import Live
from shared.bus.telemetry import QueuePlace, QueueSnapshot
from tests.support.histories import CHALLENGE, POOL, History, Submission

#: A score on the test set, unlike any other number.
CANARY = 0.7654321
BOARDS = f"/v1/challenges/{CHALLENGE}/leaderboards"


@pytest.fixture
def two_teams(history: History) -> tuple[list[Submission], Any, Any]:
    """Three scored submissions of two teams: the second one's is worse in public, and better on the test set."""
    first, second = history.person(), history.person()
    submissions = [
        history.scored(first, 0.9, 0.5, (0.8, 1.0, 0.9)),
        history.scored(second, 0.89, CANARY, (0.9, 0.87, 0.9)),
        history.scored(first, 0.3, 0.9, (0.3, 0.3, 0.3)),
    ]
    history.catch_up()
    return submissions, first, second


def names(answer: Any) -> list[str]:
    return [row["submission_id"] for row in answer.json()["rows"]]


async def test_the_competition_shows_each_team_once(
    client: httpx.AsyncClient, two_teams: tuple[list[Submission], Any, Any]
) -> None:
    submissions, first, _ = two_teams
    answer = await client.get(f"{BOARDS}/competition")
    assert names(answer) == [str(each.submission_id) for each in submissions[:2]]
    assert [row["rank"] for row in answer.json()["rows"]] == [1, 2]
    assert answer.json()["rows"][0]["team"] == first.name
    assert len(names(await client.get(f"{BOARDS}/public"))) == 3


async def test_scores_come_with_their_error_and_neighbours_within_it_are_marked(
    client: httpx.AsyncClient, two_teams: tuple[list[Submission], Any, Any]
) -> None:
    assert two_teams
    rows = (await client.get(f"{BOARDS}/public")).json()["rows"]
    assert rows[0]["standard_errors"]["acc"] == pytest.approx(0.1 / 3**0.5)
    assert rows[0]["standard_errors"]["nll"] is None, "it has no scores"
    assert [row["within_noise"] for row in rows] == [True, False, None]


@pytest.mark.parametrize("board", ["private", "private-competition"])
async def test_private_boards_have_their_time(
    client: httpx.AsyncClient, two_teams: tuple[list[Submission], Any, Any], board: str
) -> None:
    assert two_teams
    refused = await client.get(f"{BOARDS}/{board}")
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("private-board")


@pytest.mark.parametrize("board", ["public", "competition", "new", "failed"])
async def test_nothing_of_the_test_set_is_on_the_boards_of_everybody(
    client: httpx.AsyncClient, two_teams: tuple[list[Submission], Any, Any], board: str
) -> None:
    assert two_teams
    body = (await client.get(f"{BOARDS}/{board}")).text
    assert "test" not in body
    assert str(CANARY) not in body


async def test_the_private_competition_says_how_far_each_team_moved(
    client: httpx.AsyncClient, history: History, two_teams: tuple[list[Submission], Any, Any], owner: Engine
) -> None:
    submissions, _, _ = two_teams
    close(owner, history)
    rows = (await client.get(f"{BOARDS}/private-competition")).json()["rows"]
    assert [row["submission_id"] for row in rows] == [str(submissions[1].submission_id), str(submissions[0].submission_id)]
    assert [(row["rank"], row["public_rank"], row["move"]) for row in rows] == [(1, 2, 1), (2, 1, -1)]
    assert rows[0]["valid"]["acc"] == {"bag": 0.89, "mean": pytest.approx(0.89), "std": pytest.approx(0.01732, abs=1e-5)}
    assert rows[0]["test"]["acc"] == {"bag": CANARY, "mean": None, "std": None}
    header, *lines = csv.reader(io.StringIO((await client.get(f"{BOARDS}/private-competition", params={"format": "csv"})).text))
    assert {"public_rank", "move", "valid acc bag", "test acc bag", "test_time_s", "peak_memory_bytes"} <= set(header)
    assert [line[header.index("move")] for line in lines] == ["1", "-1"]
    assert [line[header.index("test acc bag")] for line in lines] == [str(CANARY), "0.5"]


def close(owner: Engine, history: History) -> None:
    """As the passing of time does."""
    with owner.begin() as connection:
        connection.execute(text("UPDATE leaderboard.challenges SET closes_at = clock_timestamp() - interval '1 second'"))
    history.catch_up()


async def test_part_of_a_board_keeps_the_ranks_of_the_whole(
    client: httpx.AsyncClient, two_teams: tuple[list[Submission], Any, Any]
) -> None:
    _, first, second = two_teams
    page = (await client.get(f"{BOARDS}/public", params={"team": first.name})).json()
    assert ([row["rank"] for row in page["rows"]], page["n_rows"]) == ([1, 3], 2)
    page = (await client.get(f"{BOARDS}/public", params={"offset": 1, "limit": 1})).json()
    assert ([row["team"] for row in page["rows"]], page["n_rows"]) == ([second.name], 3)
    by_score = (await client.get(f"{BOARDS}/public", params={"sort": "acc"})).json()
    assert [row["rank"] for row in by_score["rows"]] == [3, 2, 1]
    newest = (await client.get(f"{BOARDS}/public", params={"sort": "-submitted_at"})).json()
    assert [row["rank"] for row in newest["rows"]] == [3, 2, 1]
    unknown = await client.get(f"{BOARDS}/public", params={"sort": "beauty"})
    assert unknown.status_code == 422
    assert "acc, nll, contributivity, historical_contributivity, submitted_at" in unknown.json()["detail"]


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"offset": -1}, {"at": "never"}, {"format": "xml"}])
async def test_what_makes_no_sense_is_refused(client: httpx.AsyncClient, history: History, wrong: dict[str, Any]) -> None:
    history.catch_up()
    assert (await client.get(f"{BOARDS}/public", params=wrong)).status_code == 422


async def test_a_board_is_sent_again_only_when_it_changed(
    client: httpx.AsyncClient, history: History, two_teams: tuple[list[Submission], Any, Any]
) -> None:
    _, first, _ = two_teams
    answer = await client.get(f"{BOARDS}/public")
    tag = answer.headers["etag"]
    again = await client.get(f"{BOARDS}/public", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await client.get(f"{BOARDS}/public", params={"format": "csv"}, headers={"If-None-Match": tag})).status_code == 200
    history.scored(first, 0.95)
    history.catch_up()
    changed = await client.get(f"{BOARDS}/public", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert len(names(changed)) == 4


async def test_what_has_no_score_stands_on_the_boards_of_new_and_failed(
    client: httpx.AsyncClient, history: History, live: Live
) -> None:
    person = history.person()
    waiting, failing = history.submitted(person), history.submitted(person)
    history.release(slots=100)
    history.report(history.failed_report(failing))
    history.catch_up()
    place = QueuePlace(submission_id=waiting.submission_id, position=4, estimated_wait_s=2.0)
    await live.hear(QueueSnapshot(pool=POOL, places=(place,)), "orchestrator")
    [new] = (await client.get(f"{BOARDS}/new")).json()["rows"]
    assert (new["submission_id"], new["state"], new["outcome"]) == (str(waiting.submission_id), "queued", None)
    assert new["queue"]["position"] == 4
    [failed] = (await client.get(f"{BOARDS}/failed")).json()["rows"]
    assert (failed["submission_id"], failed["outcome"]) == (str(failing.submission_id), "train_error")
    assert "reason" not in failed
    assert (await client.get("/v1/challenges/nowhere/leaderboards/new")).status_code == 404
