"""A metric that was wrong: stored predictions are scored by another one, on a real platform, from the organiser's command to the mail."""

import json
import shutil
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.local.mailcatcher import caught_mails
from deploy.local.stack import Stack
from palio.cli import main
from tests.support.people import KITS, Person, publish, starter, submit_and_wait
from tests.support.waiting import wait_until

CHALLENGE = "moving"
CONSTANT = b"""import numpy as np


class Classifier:
    def fit(self, X, y):
        pass

    def predict_proba(self, X):
        return np.tile([1.0, 0.0, 0.0], (len(X), 1))
"""
#: By it the worst is the best: every rank moves.
ANOTHER_METRIC = """

class Wrong(rw.score_types.ClassificationError):
    is_lower_the_better = False


score_types = [Wrong(name="wrong")]
"""
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(KITS["iris"], tmp_path_factory.mktemp("moving") / "kit"))


@pytest.fixture(scope="module")
def good(register: Callable[[str], Person], organiser: Person, kit: Path) -> dict[str, Any]:
    """The better one of two submissions of two teams, both scored by the first version; the second version is prepared."""
    publish(organiser.client, CHALLENGE, kit)
    organiser.client.create_challenge(CHALLENGE, "A moving challenge", CHALLENGE)
    submissions = []
    for name, files in (("gaia", starter("iris")), ("thalia", {"classifier.py": CONSTANT})):
        person = register(name)
        person.client.join(CHALLENGE)
        submissions.append(submit_and_wait(person, CHALLENGE, f"{name}'s", files))
    with (kit / "problem.py").open("a") as problem:
        problem.write(ANOTHER_METRIC)
    publish(organiser.client, CHALLENGE, kit)
    return submissions[0]


@pytest.fixture(scope="module")
def palio(platform: Stack, organiser: Person) -> Run:
    """The organiser's command."""
    environment = {"PALIO_TOKEN": organiser.token, "PALIO_SERVER": platform.origin}
    return lambda *words: CliRunner().invoke(main, list(words), env=environment)


def board(person: Person, at: int | None = None) -> list[tuple[str, int]]:
    asked = {} if at is None else {"at": str(at)}
    return [(row["team"], row["run"]) for row in person.client.board(CHALLENGE, asked=asked)["rows"]]


def mail_about_the_move(platform: Stack, name: str) -> EmailMessage | None:
    for mail in caught_mails(platform.mail_folder):
        body = mail.get_body(("plain",))
        if (
            mail["To"]
            and f"{name}@example.org" in mail["To"]
            and body
            and "number 2 now, 1 before" in " ".join(body.get_content().split())
        ):
            return mail
    return None


def test_a_dry_run_moves_nothing_and_confirming_moves_everything_once(
    platform: Stack, palio: Run, good: dict[str, Any], organiser: Person
) -> None:
    dry = palio("challenge", "rescore", CHALLENGE, "--json")
    assert dry.exit_code == 0, dry.output
    found = json.loads(dry.stdout)
    assert [(move["team"], move["before"], move["after"]) for move in found["moves"]] == [("thalia", 2, 1), ("gaia", 1, 2)]
    assert (found["n_scored"], found["n_submissions"], found["missing"]) == (2, 2, [])
    assert [team for team, _ in board(organiser)] == ["gaia", "thalia"]
    confirmed = palio("challenge", "rescore", CHALLENGE, "--confirm")
    assert confirmed.exit_code == 0, confirmed.output
    assert "2 teams have another place than before" in confirmed.output
    assert [team for team, _ in board(organiser)] == ["thalia", "gaia"]
    adopted = [each for each in organiser.client.history(good["id"])["entries"] if each["type"] == "ProblemVersionAdopted"]
    assert [team for team, _ in board(organiser, at=adopted[0]["position"] - 1)] == ["gaia", "thalia"]
    mail = wait_until(lambda: mail_about_the_move(platform, "gaia"), "the mail about the move")
    assert "A moving challenge" in str(mail["Subject"])
    again = palio("challenge", "rescore", CHALLENGE, "--confirm")
    assert again.exit_code == 0, again.output
    entries = organiser.client.history(good["id"])["entries"]
    assert sum(each["type"] == "ProblemVersionAdopted" for each in entries) == 1, "the second time changes nothing"


def test_a_run_is_reproduced_bit_for_bit_and_stands_on_no_board(palio: Run, good: dict[str, Any], organiser: Person) -> None:
    before = board(organiser)
    found = palio("reproduce", good["id"], "--json")
    assert found.exit_code == 0, found.output
    run = json.loads(found.stdout)
    assert (run["purpose"], run["comparison"]["repeats"], run["comparison"]["within_noise"]) == ("reproduce", True, True)
    assert {score["difference"] for score in run["comparison"]["scores"]} == {0.0}
    assert board(organiser) == before


def test_a_submission_is_trained_again_by_the_version_that_the_challenge_runs(
    palio: Run, good: dict[str, Any], organiser: Person
) -> None:
    for expected in ("requested", "already"):
        found = palio("challenge", "retrain", CHALLENGE, "--submission", good["id"], "--wait", "--json")
        assert found.exit_code == 0, found.output
        [item] = json.loads(found.stdout)["items"]
        assert item["state"] == expected
    assert dict(board(organiser))["gaia"] == 3, "the second run was the reproduction"
    listed = palio("runs", good["id"], "--json")
    shown = [
        (each["number"], each["purpose"], each["problem_version"], each["is_shown"])
        for each in json.loads(listed.stdout)["items"]
    ]
    assert shown == [(1, "first", 1, False), (2, "reproduce", 1, False), (3, "retrain", 2, True)]
