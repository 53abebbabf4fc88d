"""A drill: a real platform is backed up while it trains, restored on other servers, and goes on there without a word by mail."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from deploy.local.mailcatcher import caught_mails
from deploy.local.stack import Stack
from palio.cli import main
from palio.client import Client
from tests.conftest import OTHER_POOLS, temporary_stack
from tests.support.people import Person, followed, starter, submit_and_wait
from tests.support.waiting import wait_until

SLEEPER = b"""
import time
from sklearn.naive_bayes import GaussianNB

class Classifier:
    def fit(self, X, y):
        time.sleep(2)
        self.model = GaussianNB().fit(X, y.astype(str))

    def predict_proba(self, X):
        return self.model.predict_proba(X)
"""
#: What was in the broker's queues is found again soon.
SETTINGS = {"orchestrator": {"PALIO_LOST_AFTER_S": "3"}, "trainer": {"PALIO_HEARTBEAT_S": "0.5"}}


@pytest.fixture(scope="module")
def vera(register: Callable[[str], Person]) -> Person:
    """A participant whose submissions no other test counts."""
    return register("vera")


def operator(stack: Stack, *words: str) -> dict[str, Any]:
    """What an operator's command says."""
    done = CliRunner().invoke(main, [*words, "--json"], env=stack.operator_environment())
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_a_platform_is_backed_up_while_it_trains_and_goes_on_elsewhere(
    platform: Stack, vera: Person, challenge_of: Callable[[str], str], tmp_path: Path
) -> None:
    challenge = challenge_of("iris")
    vera.client.join(challenge)
    scored = submit_and_wait(vera, challenge, "before the backup", starter("iris"))
    under_way = [vera.client.submit(challenge, f"under way {number}", {"classifier.py": SLEEPER})["id"] for number in range(2)]
    wait_until(lambda: vera.client.submission(under_way[0])["state"] == "training", "the first to begin")
    made = operator(platform, "backup", str(tmp_path / "backups"))
    assert made["missing"] == 0
    assert vera.client.submission(under_way[1])["state"] != "scored", "it was under way all the time"
    with temporary_stack("drill", OTHER_POOLS, SETTINGS) as copy:
        copy.start_servers()
        copy.migrate()
        checked = copy.restore(tmp_path / "backups")
        assert "✗" not in checked
        assert "mail is off" in checked
        copy.start_services()
        # The token that she has from the other one.
        with Client(copy.origin, vera.token) as client:
            then = str(made["position"])
            assert client.board(challenge, asked={"at": then})["rows"] == vera.client.board(challenge, asked={"at": then})["rows"]
            assert scored["id"] in {row["submission_id"] for row in client.board(challenge)["rows"]}
            there = Person(vera.name, vera.email, client, vera.token)
            assert [followed(there, each)["state"] for each in under_way] == ["scored", "scored"]
            assert submit_and_wait(there, challenge, "after it", starter("iris"))["state"] == "scored"
        wait_until(lambda: dropped(copy) >= 3, "the mails about these to be dropped")
        assert list(caught_mails(copy.mail_folder)) == []
        status = CliRunner().invoke(main, ["ops", "status"], env=copy.operator_environment())
        assert "Turn it on with: palio mail on" in status.stdout


def dropped(stack: Stack) -> int:
    """Mails that the restored mailer did not send, since it is off."""
    engine = create_engine(stack.postgres.owner_url())
    try:
        with engine.connect() as connection:
            statement = text("SELECT count(*) FROM mailer.outbox WHERE state = 'dropped' AND last_error LIKE 'restored from%'")
            return int(connection.execute(statement).scalar_one())
    finally:
        engine.dispose()
