"""The ensemble over HTTP: members and what they contribute, its scores for those who may see them, and as it was."""

import csv
import io

import httpx
import pytest
from sqlalchemy import Engine

from shared.ledger import head_position
from tests.support.histories import CHALLENGE, History

BOARDS = f"/v1/challenges/{CHALLENGE}/leaderboards"
#: Scores of the ensemble on the test set, unlike any other number.
CANARY, SECOND_CANARY = 0.7654321, 0.1234567


@pytest.fixture
def three(history: History) -> list[str]:
    """The ids of three scored submissions; the ensemble has the first and the third."""
    for value in (0.5, 0.9, 0.7):
        history.submit(history.person())
        history.release(slots=100)
        history.trained(history.submissions[-1])
        history.score(history.submissions[-1], value)
    history.combine([2, 0, 2], [0], [0], valid=0.95, test=CANARY)
    history.catch_up()
    return [str(each.submission_id) for each in history.submissions]


async def test_members_stand_in_the_order_of_what_they_contribute(client: httpx.AsyncClient, three: list[str]) -> None:
    page = (await client.get(f"{BOARDS}/ensemble")).json()
    assert [(each["submission_id"], each["contributivity"]) for each in page["members"]] == [(three[0], 78), (three[2], 22)]
    assert sum(each["share"] for each in page["members"]) == pytest.approx(1)
    assert page["combined"] == page["foldwise_best"] == {"acc": 0.95}
    assert page["curve"] == [{"n_members": 3, "score": 0.95}]
    assert page["n_candidates"] == 3


async def test_boards_say_what_each_contributes_and_what_all_score_together(client: httpx.AsyncClient, three: list[str]) -> None:
    board = (await client.get(f"{BOARDS}/public")).json()
    contributed = {row["submission_id"]: row["contributivity"] for row in board["rows"]}
    assert contributed == dict(zip(three, (78, 0, 22), strict=True))
    assert board["combined"] == {"acc": 0.95}
    by_share = (await client.get(f"{BOARDS}/public", params={"sort": "-contributivity", "format": "csv"})).text
    assert [row["contributivity"] for row in csv.DictReader(io.StringIO(by_share))] == ["78", "22", "0"]


@pytest.mark.parametrize("path", ["ensemble", "public", "competition", "ensemble?format=csv"])
async def test_nothing_of_its_score_on_the_test_set_is_for_everybody(
    client: httpx.AsyncClient, three: list[str], path: str
) -> None:
    assert three
    body = (await client.get(f"{BOARDS}/{path}")).text
    assert "test" not in body
    assert str(CANARY) not in body


async def test_once_the_challenge_is_over_everybody_sees_it(client: httpx.AsyncClient, three: list[str], owner: Engine) -> None:
    assert three
    with owner.begin() as connection:
        connection.exec_driver_sql("UPDATE leaderboard.challenges SET closes_at = now(), code_opens_at = now(), opens_at = now()")
    page = (await client.get(f"{BOARDS}/ensemble")).json()
    assert page["combined_test"] == page["foldwise_best_test"] == {"acc": CANARY}
    assert page["curve"] == [{"n_members": 3, "score": 0.95, "test_score": CANARY}]
    board = (await client.get(f"{BOARDS}/private")).json()
    assert board["combined"] == {"acc": CANARY}


async def test_it_is_as_it_was_at_any_moment(
    client: httpx.AsyncClient, three: list[str], history: History, owner: Engine
) -> None:
    with owner.connect() as connection:
        before = head_position(connection)
    history.submit(history.person())
    history.release(slots=100)
    history.trained(history.submissions[-1])
    history.score(history.submissions[-1])
    history.combine([3], [3], [3], valid=0.99, test=SECOND_CANARY)
    history.catch_up()
    now = (await client.get(f"{BOARDS}/ensemble")).json()
    then = (await client.get(f"{BOARDS}/ensemble", params={"at": before})).json()
    assert [each["submission_id"] for each in now["members"]] == [str(history.submissions[-1].submission_id)]
    assert [each["submission_id"] for each in then["members"]] == [three[0], three[2]]
    assert then["combined"] == {"acc": 0.95}
    board = (await client.get(f"{BOARDS}/public", params={"at": before})).json()
    assert {row["submission_id"]: row["contributivity"] for row in board["rows"]} == dict(zip(three, (78, 0, 22), strict=True))


async def test_before_anything_is_scored_it_is_empty(client: httpx.AsyncClient, history: History) -> None:
    history.catch_up()
    page = (await client.get(f"{BOARDS}/ensemble")).json()
    assert (page["members"], page["combined"], page["curve"], page["n_candidates"]) == ([], {}, [], 0)
    assert (await client.get("/v1/challenges/nothing/leaderboards/ensemble")).status_code == 404


async def test_who_has_it_already_gets_nothing_again(client: httpx.AsyncClient, three: list[str]) -> None:
    assert three
    first = await client.get(f"{BOARDS}/ensemble")
    again = await client.get(f"{BOARDS}/ensemble", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
