"""`palio projection`: what an operator sees of read models."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from palio.cli import main
from shared.artefacts import Store
from tests.support.histories import History

Run = Callable[..., Result]


@pytest.fixture
def run(owner_database_url: str) -> Run:
    return lambda *words: CliRunner().invoke(main, ["projection", *words], env={"PALIO_OWNER_DATABASE_URL": owner_database_url})


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> History:
    found = History(engine_of, store_of("ingest"))
    found.submit(found.person())
    found.catch_up()
    return found


def test_each_read_model_is_named_with_how_far_it_is_behind(run: Run, history: History) -> None:
    history.person()
    told = json.loads(run("list", "--json").stdout)
    assert told["behind"] == {"ingest": 0, "leaderboard": 3, "mailer": 3, "orchestrator": 3, "scorer": 3}
    assert "3 behind" in run("list").stdout


def test_a_check_says_which_table_differs_and_what_to_do_and_a_rebuild_mends_it(
    run: Run, history: History, owner: Engine
) -> None:
    assert run("check").exit_code == 0
    with owner.begin() as connection:
        connection.execute(text("UPDATE leaderboard.submissions SET name = 'another'"))
    found = run("check")
    assert found.exit_code == 1
    assert "differs in submissions: palio projection rebuild leaderboard" in found.stdout
    assert json.loads(run("check", "leaderboard", "--json").stdout)["leaderboard"]["differences"] == ["submissions"]
    assert "is made anew, up to position" in run("rebuild", "leaderboard").stdout
    assert run("check").exit_code == 0


def test_what_can_not_be_done_is_said_in_words(run: Run, history: History) -> None:
    unknown = run("rebuild", "boards")
    assert unknown.exit_code == 2
    assert "there are: ingest, leaderboard, mailer, orchestrator" in unknown.stderr
    nothing = CliRunner().invoke(main, ["projection", "check"], env={"PALIO_OWNER_DATABASE_URL": None})
    assert (nothing.exit_code, "Set PALIO_OWNER_DATABASE_URL" in nothing.stderr) == (1, True)
    away = {"PALIO_OWNER_DATABASE_URL": "postgresql+psycopg2://palio:hunter2@127.0.0.1:1/palio"}
    found = CliRunner().invoke(main, ["projection", "list"], env=away)
    assert found.exit_code == 1
    assert "does not answer" in found.stderr
    assert "hunter2" not in found.output
