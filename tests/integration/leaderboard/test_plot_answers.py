"""The data of plots over HTTP."""

import csv
import io
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import Engine, text

from services.ingest.accounts import Account, appoint_administrator, issue_token
from services.leaderboard.api.plots import Plot
from tests.support.histories import CHALLENGE, History

PLOTS = f"/v1/challenges/{CHALLENGE}/plots"
#: A score on the test set, unlike any other number.
CANARY = 0.7654321


@pytest.fixture
def teams(history: History) -> tuple[Account, Account]:
    """Two teams with three scored submissions; a fourth waits."""
    first, second = history.person(), history.person()
    history.scored(first, 0.5, CANARY)
    history.scored(second, 0.4, CANARY)
    history.scored(first, 0.6, CANARY)
    history.submitted(second)
    history.combine([0, 2], [0], test=CANARY)
    history.catch_up()
    return first, second


async def test_scores_come_with_the_front_of_the_best_so_far(client: httpx.AsyncClient, teams: tuple[Account, Account]) -> None:
    first, second = teams
    page = (await client.get(f"{PLOTS}/scores")).json()
    assert (page["metric"]["name"], page["split"]) == ("acc", "valid")
    assert [(point["team"], point["score"], point["on_front"]) for point in page["points"]] == [
        (first.name, 0.5, True),
        (second.name, 0.4, False),
        (first.name, 0.6, True),
    ]
    own = (await client.get(f"{PLOTS}/scores", params={"team": second.name})).json()
    assert [point["on_front"] for point in own["points"]] == [True]


async def test_the_other_plots_have_their_own_columns(client: httpx.AsyncClient, teams: tuple[Account, Account]) -> None:
    first, second = teams
    times = (await client.get(f"{PLOTS}/training-times")).json()["points"]
    assert [(point["train_time_s"], point["score"], point["on_front"]) for point in times] == [
        (3.0, 0.6, True),
        (3.0, 0.5, False),
        (3.0, 0.4, False),
    ]
    progress = (await client.get(f"{PLOTS}/progress")).json()["points"]
    assert [(point["team"], point["score"]) for point in progress] == [(first.name, 0.5), (second.name, 0.4), (first.name, 0.6)]
    bagging = (await client.get(f"{PLOTS}/bagging")).json()["points"]
    assert [(point["n_folds"], point["score"]) for point in bagging] == [(1, 0.5), (1, 0.4), (1, 0.6)]
    days = (await client.get(f"{PLOTS}/submissions")).json()["points"]
    assert sum(day["submissions"] for day in days) == 4
    own = (await client.get(f"{PLOTS}/submissions", params={"team": second.name})).json()["points"]
    assert sum(day["submissions"] for day in own) == 2


async def test_the_ensembles_plot_is_its_score_against_its_members(
    client: httpx.AsyncClient, teams: tuple[Account, Account]
) -> None:
    assert teams
    page = (await client.get(f"{PLOTS}/ensemble")).json()
    assert page["points"] == [{"n_members": 2, "score": 0.9}]
    assert page["metric"]["name"] == "acc"
    assert (await client.get(f"{PLOTS}/ensemble", params={"split": "test"})).status_code == 403


async def test_every_plot_is_csv_too_and_is_sent_again_only_when_it_changed(
    client: httpx.AsyncClient, teams: tuple[Account, Account]
) -> None:
    assert teams
    for kind in Plot:
        answer = await client.get(f"{PLOTS}/{kind}", params={"format": "csv"})
        header, *lines = csv.reader(io.StringIO(answer.text))
        assert list((await client.get(f"{PLOTS}/{kind}")).json()["points"][0]) == header
        assert lines
        again = await client.get(f"{PLOTS}/{kind}", params={"format": "csv"}, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        if kind is Plot.ENSEMBLE:
            # It is everybody's.
            continue
        nobody = await client.get(f"{PLOTS}/{kind}", params={"format": "csv", "team": "nobody"})
        assert nobody.text.strip() == ",".join(header)


async def test_a_plot_shows_private_scores_to_who_may_see_private_boards(
    client: httpx.AsyncClient, engine_of: Callable[[str], Engine], teams: tuple[Account, Account], owner: Engine
) -> None:
    appoint_administrator(engine_of("ingest"), teams[0].name)
    token = issue_token(engine_of("ingest"), teams[0].name, "a password", valid_days=1).token
    private, shown = {"split": "test"}, {}
    for kind in Plot:
        assert str(CANARY) not in (await client.get(f"{PLOTS}/{kind}")).text
        refused = await client.get(f"{PLOTS}/{kind}", params=private)
        assert (refused.status_code, str(CANARY) in refused.text) == (403, False)
        shown[kind] = (await client.get(f"{PLOTS}/{kind}", params=private, headers={"Authorization": f"Bearer {token}"})).text
        assert (str(CANARY) in shown[kind]) is (kind is not Plot.SUBMISSIONS)
    with owner.begin() as connection:
        connection.execute(text("UPDATE leaderboard.challenges SET closes_at = clock_timestamp() - interval '1 second'"))
    assert shown == {kind: (await client.get(f"{PLOTS}/{kind}", params=private)).text for kind in Plot}


async def test_a_plot_is_shown_as_it_stood(client: httpx.AsyncClient, history: History, teams: tuple[Account, Account]) -> None:
    with history.orchestrator.connect() as connection:
        then = connection.exec_driver_sql("SELECT position FROM ledger.head").scalar_one()
    history.scored(teams[0], 0.9)
    history.catch_up()
    counts = {}
    for at in ({}, {"at": str(then)}):
        scores = (await client.get(f"{PLOTS}/scores", params=at)).json()["points"]
        days = (await client.get(f"{PLOTS}/submissions", params=at)).json()["points"]
        counts[bool(at)] = (len(scores), sum(day["submissions"] for day in days))
    assert counts == {False: (4, 5), True: (3, 4)}


async def test_a_plot_that_makes_no_sense_is_refused(client: httpx.AsyncClient, history: History) -> None:
    history.catch_up()
    wrong: list[tuple[str, dict[str, str], int]] = [
        ("beauty", {}, 422),
        ("scores", {"metric": "beauty"}, 422),
        ("scores", {"split": "train"}, 422),
        ("scores", {"at": "never"}, 422),
        ("submissions", {"at": "1"}, 404),
        ("scores", {"format": "xml"}, 422),
    ]
    for kind, asked, status in wrong:
        assert (await client.get(f"{PLOTS}/{kind}", params=asked)).status_code == status
    assert (await client.get(PLOTS.replace(CHALLENGE, "nowhere") + "/scores")).status_code == 404
